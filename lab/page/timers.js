// A worker that keeps time for a page: [id, ms] in, id out when the time has come. Hiding the page doesn't slow it.
onmessage = ({ data: [id, ms] }) => setTimeout(() => postMessage(id), ms);
