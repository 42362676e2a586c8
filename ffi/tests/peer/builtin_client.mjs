// Drives an echo server with the WebSocket that is part of Node, the one that browsers have too.
// usage: node [--experimental-websocket] builtin_client.mjs URL MESSAGE_MAX [--deflate]

import { Queue, deflate, equal, messageMax, run, stopTheServer, url } from './checks.mjs';

// A connection with its messages and the end in queues.
class Client {
  messages = new Queue();
  closed = new Queue();

  static async open(target = url) {
    const client = new Client();
    client.ws = new WebSocket(target);
    client.ws.binaryType = 'arraybuffer';
    client.ws.addEventListener('message', ({ data }) => {
      client.messages.put(typeof data === 'string' ? data : new Uint8Array(data));
    });
    client.ws.addEventListener('close', ({ code, reason, wasClean }) => {
      client.closed.put({ code, reason, wasClean });
      client.messages.end(new Error(`closed with ${code}`));
    });
    await new Promise((resolve, reject) => {
      client.ws.addEventListener('open', resolve, { once: true });
      client.ws.addEventListener('error', () => reject(new Error('no connection')), { once: true });
    });
    return client;
  }

  async echoes(message, what) {
    this.ws.send(message);
    equal(await this.messages.get(), message, what);
  }

  async close(code, reason) {
    this.ws.close(code, reason);
    return await this.closed.get();
  }
}

// One connection for one check.
async function on(check, target) {
  const client = await Client.open(target);
  await check(client);
  const end = await client.close(1000);
  equal(end.code, 1000, 'close at the end');
  equal(end.wasClean, true, 'a clean close');
}

// Another name is none of what every cell goes through, and so left out.
const LARGE = deflate ? 'sixteen_mebibytes_are_too_many' : 'sixteen_mebibytes';

await run({
  handshake: () => on(async client => {
    equal(client.ws.protocol, '', 'subprotocol');
    // With its parameters, as the server sent it.
    equal(client.ws.extensions.split(';')[0], deflate ? 'permessage-deflate' : '', 'extensions');
    await client.echoes('on a path', 'text');
  }, `${url}/a/path?with=query`),

  text: () => on(async client => {
    // Without a U+FEFF: Node 20 drops one at the start of what it receives.
    for (const message of ['a', 'Grüße', '日本語', '😀', '\0', '\u{10ffff}']) {
      await client.echoes(message, 'text');
    }
  }),

  binary: () => on(client => client.echoes(Uint8Array.from({ length: 256 }, (_, i) => i), 'bytes')),

  blob: () => on(async client => {
    client.ws.send(new Blob(['from a ', 'blob']));
    equal(await client.messages.get(), new TextEncoder().encode('from a blob'), 'bytes');
  }),

  empty: () => on(async client => {
    await client.echoes('', 'empty text');
    await client.echoes(new Uint8Array(), 'empty binary');
  }),

  lengths: () => on(async client => {
    for (const around of [125, 126, 127, 4096, 65535, 65536, 1 << 20]) {
      for (let length = around - 2; length <= around + 2; length++) {
        await client.echoes(new Uint8Array(length).fill(length), `${length} bytes`);
        await client.echoes('x'.repeat(length), `${length} characters`);
      }
    }
  }),

  one_mebibyte: () => on(client => client.echoes(new Uint8Array(1 << 20).fill(7), 'binary')),

  [LARGE]: () => on(async client => {
    await client.echoes(new Uint8Array(16 << 20).map((_, i) => i % 251), 'binary');
    await client.echoes('é'.repeat(8 << 20), 'text');
  }),

  // A lone surrogate has no UTF-8; the API replaces it, so the server never sees it.
  lone_surrogate: () => on(async client => {
    client.ws.send('\ud800');
    equal(await client.messages.get(), '\ufffd', 'text');
  }),

  async close_by_client() {
    for (const code of [1000, 3000, 3999, 4000, 4999]) {
      for (const reason of ['', 'going: ü', 'x'.repeat(123)]) {
        const client = await Client.open();
        await client.echoes('before the close', 'text');
        const answer = await client.close(code, reason);
        equal(answer.code, code, 'code of the answer');
        equal(answer.wasClean, true, 'a clean close');
        // The code is echoed; the reason may be (RFC 6455 §5.5.1).
        equal(['', reason].includes(answer.reason), true, `reason ${answer.reason}`);
      }
    }
  },

  // Other codes are the protocol's own: the API refuses, and the connection lives on.
  close_codes_that_the_api_refuses: () => on(async client => {
    for (const code of [1001, 1005, 1006, 1012, 2999, 5000]) {
      let refused = null;
      try {
        client.ws.close(code);
      } catch (error) {
        refused = error.name;
      }
      equal(refused, 'InvalidAccessError', `close code ${code}`);
    }
    await client.echoes('still open', 'text');
  }),

  async too_large() {
    const client = await Client.open();
    client.ws.send(new Uint8Array(messageMax + 1));
    equal((await client.closed.get()).code, 1009, 'close code');
  },

  ten_thousand_in_flight: () => on(async client => {
    const message = i => `${i} ${'x'.repeat(i % 2000)}`;
    for (let i = 0; i < 10_000; i++) client.ws.send(message(i));
    for (let i = 0; i < 10_000; i++) {
      equal(await client.messages.get(), message(i), `message ${i}`);
    }
  }),

  async two_hundred_connections() {
    const one = n => on(async client => {
      for (let i = 0; i < 20; i++) await client.echoes(`${n} ${i}`, 'text');
    });
    await Promise.all(Array.from({ length: 200 }, (_, n) => one(n)));
  },

  async close_by_server() {
    const client = await Client.open();
    await client.echoes('until the server goes', 'text');
    stopTheServer();
    const { code, wasClean } = await client.closed.get();
    equal(code, 1001, 'close code');
    equal(wasClean, true, 'a clean close');
  },
}, {
  ...(deflate ? { sixteen_mebibytes: 'Node takes at most 4 MiB of a decompressed message' } : {}),
  fragments: "the browsers' API cannot send them",
  ping_and_pong: "the browsers' API has none",
});
