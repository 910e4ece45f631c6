// Preload: every server this process opens listens on 127.0.0.1, whatever its code says.
// It stays synchronous; an asynchronous bind breaks callers that read the port at once.
"use strict";
const net = require("node:net");

const EVERYWHERE = new Set([undefined, null, "", "0.0.0.0", "::"]);
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (...args) {
  const [first, second] = args;
  if (first !== null && typeof first === "object" && "port" in first) {
    if (EVERYWHERE.has(first.host)) args[0] = { ...first, host: "127.0.0.1" };
  } else if (typeof first === "number" || (typeof first === "string" && /^\d+$/.test(first))) {
    if (typeof second === "string" && EVERYWHERE.has(second)) args[1] = "127.0.0.1";
    else if (typeof second !== "string") args.splice(1, second === undefined || second === null ? 1 : 0, "127.0.0.1");
  } else if (first === undefined || typeof first === "function") {
    args.unshift(...(first === undefined && args.length > 0 ? [] : [0, "127.0.0.1"]));
  }
  return listen.apply(this, args);
};
