// What must not get lost: asked again and again until the class has answered. Only a refusal, or `over`, ends it.
const AGAIN = 300; // ms

export async function deliver(ask, what, rest, over = () => false) {
  while (!over()) {
    try { return await ask(what, rest); } catch (error) { if (error.refused !== undefined) throw error; }
    await new Promise((done) => setTimeout(done, AGAIN));
  }
  throw new Error("this page does not ask any more");
}
