// Echo on ws.  usage: node echo.js [port, 0: any]
//
// No compression, bufferutil for unmasking (UTF-8 is validated by Node's own buffer.isUtf8), and
// the socket corked while messages of one read are answered: they leave in one write.
'use strict';

const { createServer } = require('http');
const { WebSocketServer } = require('ws');

const server = createServer();
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: false,
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

server.listen({ port: Number(process.argv[2] ?? 9001), host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`listening on ${server.address().port}`);
});
