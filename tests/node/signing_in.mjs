// What an application around a TypeScript SDK has to bring: a callback listener, a browser, a place for tokens.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";

const CALLBACK_MS = 60_000;

export async function openCallback() {
  const answers = [];
  const waiting = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url, "http://127.0.0.1");
    response.end("Signed in; you may close this window.");
    if (!searchParams.has("code") && !searchParams.has("error")) return;
    const next = waiting.shift();
    next ? next(searchParams) : answers.push(searchParams);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}/callback`,
    close: () => server.close(),
    answer: () =>
      new Promise((resolve, reject) => {
        if (answers.length > 0) return resolve(answers.shift());
        waiting.push(resolve);
        setTimeout(() => reject(new Error("nobody came back from the sign-in")), CALLBACK_MS).unref();
      }),
  };
}

export class Memory {
  // An OAuthClientProvider that registers itself and forgets everything at the end.
  constructor(redirectUrl, name) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
    this.expectedState = crypto.randomUUID();
  }
  state() {
    return this.expectedState;
  }
  clientInformation() {
    return this.client;
  }
  saveClientInformation(client) {
    this.client = client;
  }
  tokens() {
    return this.saved;
  }
  saveTokens(tokens) {
    this.saved = tokens;
  }
  codeVerifier() {
    return this.verifier;
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
  discoveryState() {
    return this.discovered;
  }
  saveDiscoveryState(state) {
    this.discovered = state;
  }
  redirectToAuthorization(url) {
    spawn(process.env.BROWSER, [url.toString()], { stdio: "ignore" });
  }
}

// Connects, and when the server wants a sign-in, does it and connects again.
export async function connectSigningIn(connect, callback, provider) {
  const first = await connect();
  if (first.connected) return first.client;
  const answer = await callback.answer();
  if (answer.get("state") !== provider.expectedState) throw new Error("the state came back changed");
  await first.finish(answer);
  const second = await connect();
  if (!second.connected) throw new Error("still not authorized after the sign-in");
  return second.client;
}

// Lists and calls, and prints what a test looks at.
export async function listAndCall(client, protocol, tool, args) {
  const { tools } = await client.listTools();
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  console.log(JSON.stringify({ protocol, tools: tools.map(({ name }) => name), result }));
}
