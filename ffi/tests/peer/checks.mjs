// What the JavaScript clients share: running checks one by one, and comparing.
//
// Every client is run as `node client URL MESSAGE_MAX [--deflate] [--brief]`, prints a line for
// each check and exits with 1 at the first that fails. Whom it trusts is in NODE_EXTRA_CA_CERTS.

import { setTimeout as sleep } from 'node:timers/promises';

const CHECK_MS = 120_000;

export const [url, messageMax] = [process.argv[2], Number(process.argv[3])];
// Only what every cell of the table goes through.
const brief = process.argv.includes('--brief');
const EXCHANGES = ['handshake', 'text', 'binary', 'empty', 'one_mebibyte', 'sixteen_mebibytes',
  'fragments', 'ping_and_pong', 'close_by_client', 'close_by_server'];

export const deflate = process.argv.includes('--deflate');

// Has the server ended: it closes with 1001.
export function stopTheServer() {
  console.log('stop');
}

export function equal(have, want, what) {
  const same = have instanceof Uint8Array && want instanceof Uint8Array
    ? Buffer.compare(have, want) === 0
    : Object.is(have, want);
  if (same) return;
  const text = value =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
  const shown = [have, want].map(value => text(value).slice(0, 200));
  throw new Error(`${what}: ${shown[0]} instead of ${shown[1]}`);
}

// Rejects when the promise is not settled in time.
export function within(ms, what, promise) {
  const stop = new AbortController();
  const late = sleep(ms, null, { signal: stop.signal }).then(() => {
    throw new Error(`${what}: nothing within ${ms} ms`);
  });
  return Promise.race([promise, late]).finally(() => stop.abort());
}

// What arrives, in order, for whoever asks first: `put` on one side, `get` on the other.
export class Queue {
  #items = [];
  #waiting = [];
  #end = null;

  put(item) {
    const first = this.#waiting.shift();
    if (first) first.resolve(item);
    else this.#items.push(item);
  }

  // Nothing more comes: who waits, and who asks later, gets this error.
  end(error) {
    this.#end = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  get() {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift());
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}

// Runs the checks; `missing` names what the client has no way to do, with the reason.
export async function run(checks, missing = {}) {
  for (const [name, reason] of Object.entries(missing)) console.log(`n.a. ${name}: ${reason}`);
  for (const [name, check] of Object.entries(checks)) {
    if (brief && !EXCHANGES.includes(name)) continue;
    const started = performance.now();
    try {
      await within(CHECK_MS, name, check());
    } catch (error) {
      console.log(`FAILED ${name}: ${error?.stack ?? error}`);
      process.exit(1);
    }
    console.log(`ok ${name} (${((performance.now() - started) / 1000).toFixed(2)} s)`);
  }
  process.exit(0);
}
