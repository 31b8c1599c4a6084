// A response that is made line by line.
const lines = ['a gate at the back', 'of the wall by the lane', 'lets the cat out at night'];

export default {
  fetch() {
    const body = new ReadableStream({
      async pull(controller) {
        this.next ??= 0;
        if (this.next === lines.length) return controller.close();
        await new Promise((done) => setTimeout(done, 100));
        controller.enqueue(new TextEncoder().encode(`${lines[this.next++]}\n`));
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/plain' } });
  },
};
