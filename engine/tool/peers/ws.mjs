// Echo on the npm package `ws`, at its defaults but for compression, which it can.
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
server.on('connection', socket => {
  // Without a listener an error ends the process.
  socket.on('error', () => {});
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
server.on('listening', () =>
  console.log(`${server.address().port} ws ${require('ws/package.json').version}, node ${process.versions.node}`));
