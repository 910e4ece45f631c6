// node ts_v2.mjs URL TOOL ARGUMENTS MODE: the TypeScript SDK 2.x signs in by itself, lists and calls.
// MODE is its version negotiation: legacy (its default), auto, or a version to insist on.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { connectSigningIn, listAndCall, Memory, openCallback } from "./signing_in.mjs";

const [url, tool, args, mode] = process.argv.slice(2);
const callback = await openCallback();
const provider = new Memory(callback.url, "TypeScript SDK 2");

async function connect() {
  const negotiation = { mode: mode === "auto" || mode === "legacy" ? mode : { pin: mode } };
  const client = new Client({ name: "ts-v2", version: "1.0.0" }, { versionNegotiation: negotiation });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  try {
    await client.connect(transport);
    return { connected: true, client };
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return { connected: false, finish: (answer) => transport.finishAuth(answer) };
  }
}

const client = await connectSigningIn(connect, callback, provider);
await listAndCall(client, client.getNegotiatedProtocolVersion(), tool, args);
await client.close();
callback.close();
