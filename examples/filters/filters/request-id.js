// Gives each request an id, or keeps the client's, and tells it to both sides.
export function filter_request(request, context) {
  context.id = request.headers.get('x-request-id') ?? context.requestId;
  request.headers.set('x-request-id', context.id);
}

// context is the same object as in the first half.
export function filter_response(response, context) {
  response.headers.set('x-request-id', context.id);
}
