// Preload: every server this process opens listens on 127.0.0.1, whatever its code says.
// It stays synchronous where listening on everything is: callers read the port at once. An address given
// to listen() is looked up first, so the socket is bound here and handed over.
"use strict";
const net = require("node:net");

const LOOPBACK = "127.0.0.1";
const EVERYWHERE = new Set([undefined, null, "", "0.0.0.0", "::"]);
const listen = net.Server.prototype.listen;

// The port asked for, when it is asked for on every address; undefined for anything else.
function asked([first, second]) {
  if (first !== null && typeof first === "object") {
    return "port" in first && EVERYWHERE.has(first.host) ? first.port : undefined;
  }
  if (typeof second === "string" && !EVERYWHERE.has(second)) return undefined;
  return typeof first === "string" && !/^\d+$/.test(first) ? undefined : typeof first === "function" ? 0 : (first ?? 0);
}

net.Server.prototype.listen = function (...args) {
  const port = asked(args);
  if (port === undefined) return listen.apply(this, args);
  const done = args.findLast((arg) => typeof arg === "function");
  const callback = done === undefined ? [] : [done];
  const handle = net._createServerHandle(LOOPBACK, Number(port), 4, undefined, 0);
  // A number is an error; listening again the common way reports it as the caller expects.
  if (typeof handle === "number") return listen.call(this, { port: Number(port), host: LOOPBACK }, ...callback);
  return listen.call(this, handle, ...callback);
};
