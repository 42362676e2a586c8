// Echo on ws.  usage: node echo.js [port, 0: any] [--deflate shared|takeover] [--level N]
//                                  [--tls certificate key]
//
// bufferutil for unmasking (UTF-8 is validated by Node's own buffer.isUtf8), and the socket corked
// while messages of one read are answered: they leave in one write. Compression is off unless asked
// for; then every message is compressed (the default leaves those below 1 KiB), at the default
// level of zlib unless one is named.
'use strict';

const { readFileSync } = require('fs');
const { WebSocketServer } = require('ws');

const [port = '9001', ...options] = process.argv.slice(2);
const after = (name) => {
  const at = options.indexOf(name);
  return at < 0 ? undefined : options.slice(at + 1);
};

const deflate = () => {
  const [how] = after('--deflate') ?? [];
  if (!how) return false;
  const level = after('--level')?.[0];
  return {
    threshold: 0,
    serverNoContextTakeover: how === 'shared',
    clientNoContextTakeover: how === 'shared',
    zlibDeflateOptions: level === undefined ? {} : { level: Number(level) },
  };
};

const tls = after('--tls');
const server = tls
  ? require('https').createServer({ cert: readFileSync(tls[0]), key: readFileSync(tls[1]) })
  : require('http').createServer();
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: deflate(),
  clientTracking: false,
  maxPayload: 64 << 20,
});

sockets.on('connection', (ws, request) => {
  const socket = request.socket;
  socket.setNoDelay(true);
  let corked = false;
  const uncork = () => {
    corked = false;
    socket.uncork();
  };
  ws.on('message', (data, isBinary) => {
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(uncork);
    }
    ws.send(data, { binary: isBinary });
  });
  ws.on('error', () => ws.terminate());
});

server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`listening on ${server.address().port}`);
});
