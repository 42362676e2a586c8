// Drives an echo server with the npm package `ws`.
// usage: node ws_client.mjs URL MESSAGE_MAX [--deflate]
//
// The package is taken from the folder in NODE_PEERS, which holds `node_modules`.

import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, deflate, equal, messageMax, run, stopTheServer, url, within } from './checks.mjs';

const WebSocket = createRequire(`${process.env.NODE_PEERS}/`)('ws');

// A pong that waits for another event to be sent comes much later.
const PONG_MS = 5000;

// A connection with its messages, pongs and the end in queues.
class Client {
  messages = new Queue();
  pongs = new Queue();
  closed = new Queue();

  static async open(options = {}, target = url, protocols = []) {
    const client = new Client();
    client.ws = new WebSocket(target, protocols, { maxPayload: 0, ...options });
    client.ws.on('message', (data, binary) => client.messages.put({ data, binary }));
    client.ws.on('pong', data => client.pongs.put(data));
    client.ws.on('close', (code, reason) => {
      client.closed.put({ code, reason: reason.toString() });
      client.messages.end(new Error(`closed with ${code}`));
    });
    await new Promise((resolve, reject) => {
      client.ws.once('open', resolve);
      client.ws.once('error', reject);
    });
    // What the library finds wrong later ends in `close`.
    client.ws.on('error', () => {});
    return client;
  }

  async echoes(message, what) {
    this.ws.send(message);
    await this.receives(message, what);
  }

  async receives(message, what) {
    const { data, binary } = await this.messages.get();
    equal(binary, typeof message !== 'string', `${what}: kind`);
    equal(data, Buffer.from(message), what);
  }

  async close(code, reason) {
    this.ws.close(code, reason);
    return await this.closed.get();
  }
}

// One connection for one check.
async function on(check, ...options) {
  const client = await Client.open(...options);
  await check(client);
  equal((await client.close(1000)).code, 1000, 'close at the end');
}

const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
  4000, 4999];

// Writes bytes past the library, to be answered with a Close frame of this code.
async function fails(what, bytes, want) {
  const client = await Client.open();
  await client.echoes('before', what);
  client.ws._socket.write(Buffer.from(bytes));
  equal((await client.closed.get()).code, want, what);
}

await run({
  async handshake() {
    await on(async client => {
      equal(client.ws.protocol, '', 'a subprotocol that the server does not know');
      // The library offers it always.
      equal(client.ws.extensions, deflate ? 'permessage-deflate' : '', 'extensions');
      await client.echoes('after the handshake', 'text');
    }, { headers: { 'X-Extra': '1' } }, `${url}/a/path?with=query`);
    // A client must fail a connection whose server chose none of those it asked for, or may not
    // mind; this library minds (RFC 6455 §4.1 leaves it open).
    const asked = Client.open({}, url, ['chat']);
    const refused = await asked.then(() => null, error => error);
    equal(refused?.message, 'Server sent no subprotocol', 'no subprotocol chosen');
  },

  text: () => on(async client => {
    for (const message of ['a', 'Grüße', '日本語', '😀', '\0', '\ufeff', '\u{10ffff}']) {
      await client.echoes(message, 'text');
    }
  }),

  binary: () => on(client => client.echoes(Uint8Array.from({ length: 256 }, (_, i) => i), 'bytes')),

  empty: () => on(async client => {
    await client.echoes('', 'empty text');
    await client.echoes(Buffer.alloc(0), 'empty binary');
  }),

  lengths: () => on(async client => {
    for (const around of [125, 126, 127, 4096, 65535, 65536, 1 << 20]) {
      for (let length = around - 2; length <= around + 2; length++) {
        await client.echoes(Buffer.alloc(length, 'ringws'), `${length} bytes`);
        await client.echoes('x'.repeat(length), `${length} characters`);
      }
    }
  }),

  one_mebibyte: () => on(client => client.echoes(Buffer.alloc(1 << 20, '0123456789'), 'binary')),

  sixteen_mebibytes: () => on(async client => {
    await client.echoes(Buffer.alloc(16 << 20, '0123456789'), 'binary');
    await client.echoes('é'.repeat(8 << 20), 'text');
  }),

  as_large_as_allowed: () => on(client =>
    client.echoes(Buffer.alloc(messageMax, 0xa5), 'the largest message')),

  fragments: () => on(async client => {
    const parts = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(i % 300, i));
    parts.forEach((part, i) =>
      client.ws.send(part, { binary: true, fin: i === parts.length - 1 }));
    await client.receives(Buffer.concat(parts), '1,000 fragments');
  }),

  // A fragment may end inside a character (RFC 6455 §5.6).
  characters_cut_by_fragments: () => on(async client => {
    const text = Buffer.from('κόσμε 😀 日本語');
    for (let i = 0; i < text.length; i++) {
      client.ws.send(text.subarray(i, i + 1), { binary: false, fin: i === text.length - 1 });
    }
    await client.receives(text.toString(), 'text');
  }),

  control_frames_between_fragments: () => on(async client => {
    client.ws.send('one ', { fin: false });
    client.ws.ping('between');
    equal((await within(PONG_MS, 'pong', client.pongs.get())).toString(), 'between', 'pong');
    client.ws.send('two ', { fin: false });
    client.ws.pong('unasked');
    client.ws.send('three', { fin: true });
    await client.receives('one two three', 'text');
  }),

  ping_and_pong: () => on(async client => {
    for (const payload of ['', 'a', Buffer.from([0xff, 0]), 'x'.repeat(125)]) {
      client.ws.ping(payload);
      equal(await within(PONG_MS, 'pong', client.pongs.get()), Buffer.from(payload), 'pong');
    }
    client.ws.pong('unasked');
    await client.echoes('after the pongs', 'text');
  }),

  async close_by_client() {
    for (const code of codes) {
      for (const reason of ['', 'going: ü', 'x'.repeat(123)]) {
        const client = await Client.open();
        await client.echoes('before the close', 'text');
        const answer = await client.close(code, reason);
        equal(answer.code, code, 'code of the answer');
        // The code is echoed; the reason may be (RFC 6455 §5.5.1).
        equal(['', reason].includes(answer.reason), true, `reason ${answer.reason}`);
      }
    }
  },

  // Without a code the answer has none either, which the library reports as 1005.
  async close_without_a_code() {
    const client = await Client.open();
    equal((await client.close()).code, 1005, 'code of the answer');
  },

  async close_after_messages_that_are_under_way() {
    const client = await Client.open();
    for (let i = 0; i < 1000; i++) client.ws.send(`${i}`);
    client.ws.close(4000);
    for (let i = 0; i < 1000; i++) await client.receives(`${i}`, 'before the close');
    equal((await client.closed.get()).code, 4000, 'code of the answer');
  },

  async what_breaks_the_protocol() {
    await fails('unmasked frame', [0x81, 1, 0x61], 1002);
    await fails('reserved bit', [0xa1, 0x80, 0, 0, 0, 0], 1002);
    await fails('reserved opcode', [0x83, 0x80, 0, 0, 0, 0], 1002);
    await fails('continuation of nothing', [0x80, 0x80, 0, 0, 0, 0], 1002);
    await fails('close code 1005', [0x88, 0x82, 0, 0, 0, 0, 3, 0xed], 1002);
    await fails('invalid UTF-8', [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007);
  },

  // The bytes are all under way when the head is refused: the answer must not be lost over them.
  async too_large() {
    const client = await Client.open();
    client.ws.send(Buffer.alloc(messageMax + 1));
    equal((await client.closed.get()).code, 1009, 'close code');
  },

  ten_thousand_in_flight: () => on(async client => {
    const message = i => `${i} ${'x'.repeat(i % 2000)}`;
    for (let i = 0; i < 10_000; i++) client.ws.send(message(i));
    for (let i = 0; i < 10_000; i++) await client.receives(message(i), `message ${i}`);
  }),

  a_slow_reader_loses_nothing: () => on(async client => {
    const count = 2 * (messageMax >> 20);
    client.ws.pause();
    for (let i = 0; i < count; i++) client.ws.send(Buffer.alloc(1 << 20, i));
    await sleep(1000);
    client.ws.resume();
    for (let i = 0; i < count; i++) await client.receives(Buffer.alloc(1 << 20, i), `message ${i}`);
  }),

  async two_hundred_connections() {
    const one = n => on(async client => {
      for (let i = 0; i < 20; i++) await client.echoes(`${n} ${i}`, 'text');
    });
    await Promise.all(Array.from({ length: 200 }, (_, n) => one(n)));
  },

  async connections_that_break_off() {
    for (let i = 0; i < 50; i++) {
      const client = await Client.open();
      client.ws.send('x'.repeat(100_000));
      client.ws.terminate();
    }
    await on(client => client.echoes('still there', 'text'));
  },

  async close_by_server() {
    const client = await Client.open();
    await client.echoes('until the server goes', 'text');
    stopTheServer();
    equal((await client.closed.get()).code, 1001, 'close code');
  },
});
