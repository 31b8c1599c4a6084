// Answers early: what is behind it is not asked.
export function filter_request(request) {
  if (request.headers.get('x-key') !== 'open sesame') {
    return Response.json({ message: 'What is the word?' }, { status: 403 });
  }
}
