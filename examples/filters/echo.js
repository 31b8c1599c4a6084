export default {
  async fetch(request) {
    return new Response(`${request.headers.get('x-request-id')} says: ${await request.text()}\n`, { headers: { 'content-type': 'text/plain' } });
  },
};
