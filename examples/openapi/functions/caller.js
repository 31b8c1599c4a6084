// A TOKEN authorizer, as it ran on Lambda.
export function handle(event) {
  const allowed = event.authorizationToken === "let-me-in";
  return {
    principalId: "ada",
    policyDocument: {
      Version: "2012-10-17",
      Statement: [{ Action: "execute-api:Invoke", Effect: allowed ? "Allow" : "Deny", Resource: event.methodArn }],
    },
  };
}
