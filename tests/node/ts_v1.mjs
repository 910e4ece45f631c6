// node ts_v1.mjs URL TOOL ARGUMENTS: the TypeScript SDK 1.x (legacy era) signs in by itself, lists and calls.
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { connectSigningIn, listAndCall, Memory, openCallback } from "./signing_in.mjs";

const [url, tool, args] = process.argv.slice(2);
const callback = await openCallback();
const provider = new Memory(callback.url, "TypeScript SDK 1");

async function connect() {
  const client = new Client({ name: "ts-v1", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
  try {
    await client.connect(transport);
    return { connected: true, client: Object.assign(client, { usedTransport: transport }) };
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return { connected: false, finish: (answer) => transport.finishAuth(answer.get("code")) };
  }
}

const client = await connectSigningIn(connect, callback, provider);
await listAndCall(client, client.usedTransport.protocolVersion, tool, args);
await client.close();
callback.close();
