export function authorize(event) {
  return { isAuthorized: event.identitySource[0] === "Bearer demo" };
}
