// Preload: adds `Authorization: Bearer $MCP_BEARER` to requests to $MCP_BEARER_ORIGIN that carry none.
// For suites that cannot be given a token; unlike a proxy it adds no hop. Covers fetch, undici and node:http.
"use strict";
const diagnostics = require("node:diagnostics_channel");

const token = process.env.MCP_BEARER;
const origin = process.env.MCP_BEARER_ORIGIN;
if (!token || !origin) throw new Error("bearer.cjs needs MCP_BEARER and MCP_BEARER_ORIGIN");

const carriesOne = (headers) =>
  (Array.isArray(headers) ? headers.join("\n") : String(headers ?? "")).toLowerCase().includes("authorization");

diagnostics.subscribe("undici:request:create", ({ request }) => {
  if (String(request.origin) === origin && !carriesOne(request.headers)) {
    request.addHeader("authorization", `Bearer ${token}`);
  }
});

diagnostics.subscribe("http.client.request.created", ({ request }) => {
  const target = `${request.protocol}//${request.getHeader("host")}`;
  if (target === origin && !request.hasHeader("authorization")) {
    request.setHeader("authorization", `Bearer ${token}`);
  }
});
