// Text in pieces of any size → sink.event(line) for each whole line, sink.alive() for each empty one.
// What has no newline yet is kept; a line that never gets one is never delivered.
export function lineReader(sink) {
  const rest = [];
  return (text) => {
    const lines = text.split("\n");
    const last = lines.pop();
    for (const line of lines) {
      rest.push(line);
      const whole = rest.splice(0).join("");
      if (whole) sink.event(whole);
      else sink.alive();
    }
    rest.push(last);
  };
}
