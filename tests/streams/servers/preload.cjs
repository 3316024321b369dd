// Loaded before a server: it listens on loopback only, and its clock is moved by CLOCK_FILE, which
// has the seconds by which it is ahead.
const fs = require("fs");
const net = require("net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "object" && first !== null)
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  return listen.call(this, first, "127.0.0.1", ...rest.filter((one) => typeof one === "function"));
};

const file = process.env.CLOCK_FILE;
const now = Date.now;
let ahead = 0;
function moved() {
  return now() + ahead;
}
function reread() {
  ahead = 1000 * Number(fs.readFileSync(file, "utf8") || 0);
}
if (file) {
  reread();
  process.on("SIGUSR2", reread);
  const RealDate = Date;
  global.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [moved()]));
    }
    static now() {
      return moved();
    }
  };
}
