// node uses.mjs URL BEARER SDK [MODE]: a TypeScript SDK client (1 or 2) lists, calls, reads, prompts and is asked.
// MODE is version 2's negotiation: legacy (its default), auto, or a version to insist on.
const [url, bearer, sdk, mode] = process.argv.slice(2);
const answer = async () => ({ action: "accept", content: { username: "mira", email: "mira@example.com" } });
const able = { capabilities: { elicitation: {} } };
const carrying = { requestInit: { headers: { Authorization: `Bearer ${bearer}` } } };

async function first() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  const client = new Client({ name: "ts-v1", version: "1.0.0" }, able);
  client.setRequestHandler(ElicitRequestSchema, answer);
  const transport = new StreamableHTTPClientTransport(new URL(url), carrying);
  await client.connect(transport);
  return [client, transport.protocolVersion];
}

async function second() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const negotiation = { mode: mode === "auto" || mode === "legacy" ? mode : { pin: mode } };
  const client = new Client({ name: "ts-v2", version: "1.0.0" }, { ...able, versionNegotiation: negotiation });
  client.setRequestHandler("elicitation/create", answer);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), carrying));
  return [client, client.getNegotiatedProtocolVersion()];
}

const [client, protocol] = await (sdk === "1" ? first() : second());
const { tools } = await client.listTools();
const text = (result) => result.content[0].text;
const called = text(await client.callTool({ name: "test_simple_text", arguments: {} }));
const read = (await client.readResource({ uri: "test://static-text" })).contents[0].text;
const prompted = (await client.getPrompt({ name: "test_simple_prompt" })).messages[0].content.text;
const elicited = text(await client.callTool({ name: "test_elicitation", arguments: { message: "Who are you?" } }));
console.log(JSON.stringify({ protocol, tools: tools.length, called, read, prompted, elicited }));
await client.close();
