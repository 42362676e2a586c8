// An echo server on the npm package `ws`, which does what the texts `close`, `ping` and `fragments`
// ask for.  usage: node ws_server.mjs [--deflate] [--tls CERT KEY]

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(`${process.env.NODE_PEERS}/`)('ws');

const [, , ...args] = process.argv;
const tls = args.indexOf('--tls');
const server = tls < 0
  ? createServer()
  : createTlsServer({ cert: readFileSync(args[tls + 1]), key: readFileSync(args[tls + 2]) });

const sockets = new WebSocketServer({
  server,
  maxPayload: 64 << 20,
  perMessageDeflate: args.includes('--deflate'),
});
sockets.on('connection', ws => {
  ws.on('message', (data, binary) => {
    const request = binary ? '' : data.subarray(0, 10).toString();
    if (request === 'close') {
      ws.close(4001, 'bye');
    } else if (request === 'ping') {
      ws.once('pong', payload => ws.send(`${payload}` === 'hello' ? 'ponged' : 'another pong'));
      ws.ping('hello');
    } else if (request === 'fragments') {
      ws.send('frag', { fin: false });
      ws.send('', { fin: false });
      ws.send('ments', { fin: true });
    } else {
      ws.send(data, { binary });
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
