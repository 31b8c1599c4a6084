// Makes text upper case while it passes, a piece at a time: no body is ever held as a whole.
function loud(body) {
  const upper = new TransformStream({ transform: (text, out) => out.enqueue(text.toUpperCase()) });
  return body.pipeThrough(new TextDecoderStream()).pipeThrough(upper).pipeThrough(new TextEncoderStream());
}

export function filter_request(request) {
  if (request.body) return new Request(request, { body: loud(request.body), duplex: 'half' });
}

export function filter_response(response) {
  if (response.body) return new Response(loud(response.body), response);
}
