// The chat's page as people use it: by keyboard, on a phone, over restarts of its server.
// usage: node check.mjs PROGRAM PAGE SCRATCH [AXE, the source of axe-core] [folder for screenshots]
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Browser } from './browser.mjs'

const [program, html, scratch, axe, shots] = process.argv.slice(2)
const journal = join(scratch, 'journal')
rmSync(journal, { force: true })
const browser = new Browser(join(scratch, 'profile'))
let server, port = 0
process.on('exit', () => { server?.kill('SIGKILL'); browser.kill() })

/// Listens when this returns. A port that is still taken is tried again.
async function start(memory = journal) {
  for (let tries = 0; ; tries++) {
    server = spawn(program, [String(port), html, memory].filter(Boolean), { stdio: ['ignore', 'pipe', 'pipe'] })
    server.ended = once(server, 'exit')
    let said = ''
    server.stderr.on('data', data => { said += data })
    const line = await Promise.race([once(server.stdout, 'data'), server.ended])
    const [, listens] = /^listening on (\d+)/.exec(line[0]) ?? []
    if (listens) return void (port = +listens)
    assert(tries < 500 && /in use/.test(said), said)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
const end = async (signal, of = server) => {
  of.kill(signal)
  const [code] = await of.ended
  if (signal === 'SIGTERM') assert.equal(code, 0, 'its end')
}

/// What a page shows of what was said: authors and texts, in their order.
const said = page => page.get(`[...document.querySelectorAll('#said > div:not(.note)')].map(line =>
  line.querySelector('b').textContent + ': ' + line.lastChild.textContent)`)
const shows = text => `[...document.querySelectorAll('#said > div:not(.pending)')].some(line => line.lastChild.textContent === ${JSON.stringify(text)})`
const talk = page => page.get(`talking = setInterval(() => {
  document.getElementById('text').value = String(spoken++)
  document.getElementById('say').requestSubmit()
}, 150), 0`)

async function accessible(page, what) {
  if (!axe) return
  await page.get(`${readFileSync(axe, 'utf8')};0`)
  const found = await page.get(`axe.run().then(r => r.violations.map(v =>
    v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join(' | ')))`)
  assert.deepEqual(found, [], what)
}
const passed = what => console.log(`ok  ${what}`)

await start()
const url = `http://127.0.0.1:${port}/`
const ann = await browser.open(url)
await ann.until(`document.getElementById('who').open`)
await ann.until(`document.activeElement.id === 'name'`)
await accessible(ann, 'the dialog')
await ann.type('ann')
await ann.press('Enter')
await ann.until(`document.activeElement.id === 'text' && ready`)
const bob = await browser.open(`${url}?name=bob`, { width: 390, height: 780, phone: true, dark: true })
await bob.until('ready')

await ann.type('Hello, who is there?')
await ann.press('Enter')
await bob.until(shows('Hello, who is there?'))
await ann.until(`document.querySelector('#said .mine').textContent.includes('✓')`)
await bob.get(`document.getElementById('text').focus()`)
await bob.type('<b>me</b> & a phone')
await bob.press('Enter')
await ann.until(shows('<b>me</b> & a phone'))
for (const page of [ann, bob]) {
  assert.deepEqual(await said(page), ['ann: Hello, who is there?', 'bob: <b>me</b> & a phone'])
  await page.until(`document.getElementById('people-title').textContent === 'Here (2)'`)
  for (const id of ['rate', 'open', 'trip']) await page.until(`document.querySelector('#${id} svg[aria-label]')`)
  const wide = await page.get('document.documentElement.scrollWidth <= innerWidth && document.body.scrollHeight <= innerHeight')
  assert(wide, 'nothing has to be scrolled but the messages')
}
passed('two pages talk, see who is there, and measure')

await ann.press('Tab')
assert.equal(await ann.get('document.activeElement.textContent'), 'Send')
await accessible(ann, 'light, wide')
await accessible(bob, 'dark, on a phone')
await bob.get(`document.querySelector('summary').click()`)
await accessible(bob, 'dark, on a phone, all shown')
await bob.get(`document.querySelector('summary').click()`)
if (axe) passed('nothing that axe finds')

await ann.get(`location.hash = 'garden', 0`)
await ann.until(`ready && room === 'garden'`)
assert.deepEqual(await said(ann), [])
await bob.until(`document.getElementById('people-title').textContent === 'Here (1)'`)
await ann.get(`location.hash = 'hall', 0`)
await ann.until(`ready && room === 'hall'`)
await ann.until(shows('<b>me</b> & a phone'))
passed('rooms, and what was said there before')

// They talk all the time, while the server is restarted: first as a deploy does, the next one starting
// as soon as the port is free; then it is killed; then it ends before the next one is there.
for (const page of [ann, bob]) {
  await page.get(`globalThis.spoken = globalThis.talking = globalThis.opened = 0
    globalThis.WebSocket = class extends WebSocket {
      constructor(url) { super(url); this.addEventListener('open', () => opened++) }
    }, 0`)
  await talk(page)
}
const both = async (expression, what) => { await ann.until(expression, what); await bob.until(expression, what) }
const deploys = [
  async () => { const old = server; old.kill('SIGTERM'); await start(); await end('SIGTERM', old) },
  async () => { await end('SIGKILL'); await start() },
  async () => { await end('SIGTERM'); await start() },
]
for (const [times, deploy] of [...deploys, ...deploys].entries()) {
  await both(`ready && spoken > ${10 * times + 5} && unheard.length < 3`, 'both talk')
  await deploy()
  await both(`ready && opened > ${times}`, 'both come back')
}
for (const page of [ann, bob]) await page.get('clearInterval(talking)')
await both('ready && unheard.length === 0', 'all is acknowledged')
const counts = { ann: await ann.get('spoken'), bob: await bob.get('spoken') }
await ann.until(shows(String(counts.bob - 1)))
await bob.until(shows(String(counts.ann - 1)))
const seen = await said(ann)
assert.deepEqual(await said(bob), seen, 'both see the same, in one order')
for (const [name, count] of Object.entries(counts)) {
  const numbers = seen.slice(2).filter(line => line.startsWith(`${name}: `)).map(line => +line.slice(5))
  assert.deepEqual(numbers, Array.from({ length: count }, (_, i) => i), `${name}: nothing lost, doubled or moved`)
}
assert.equal(await ann.get(`document.querySelectorAll('#said .note').length`), 0)
// As if the connection had broken before ann heard her last message, and it had been taken.
const unhear = `line = [...document.querySelectorAll('#said .mine')].at(-1),
  unheard.push({ id: line.dataset.id, room, text: line.lastChild.textContent })`
await ann.get(`${unhear}, lost(), 0`)
await ann.until('ready && unheard.length === 0')
const late = await browser.open(`${url}?name=late`)
await late.until('ready')
assert.deepEqual(await said(late), seen.slice(-100))
passed(`six restarts: ${counts.ann} + ${counts.bob} messages, none lost, none twice`)

// What is said while nobody is there waits, and survives that the page is loaded anew.
await late.get(`leave(), lost(), 0`)
await end('SIGTERM')
for (const page of [ann, bob]) await page.until(`document.body.dataset.state === 'away'`)
await ann.get(`document.getElementById('text').focus()`)
await ann.type('Nobody hears this yet')
await ann.press('Enter')
await ann.until(`document.querySelector('#said .pending')`)
await accessible(ann, 'away')
await bob.get(`document.getElementById('text').focus()`)
await bob.type('nor this')
await bob.press('Enter')
await start()
bob.get(`document.getElementById('now').click()`)
await both(shows('nor this'))
await both(shows('Nobody hears this yet'))
assert.equal((await said(bob)).filter(line => /Nobody|nor/.test(line)).length, 2)
passed('what is said while the server is away')

// A server without the journal knows nothing: what is shown stays, and the page says that it may be less.
// One message it gets again, as if its author had not heard it.
const before = await said(ann)
await ann.get(`${unhear}, 0`)
await end('SIGKILL')
await start('')
await both(`ready && unheard.length === 0 && document.querySelector('#said .note')`)
await ann.type('And on')
await ann.press('Enter')
await bob.until(shows('And on'))
for (const page of [ann, bob]) assert.deepEqual(await said(page), [...before, 'ann: And on'])
passed('a server that has forgotten')

if (shots) await screenshots()
assert.deepEqual(browser.trouble, [], 'exceptions in the pages')
await end('SIGTERM')
await browser.close()
console.log('all passed')

/// A conversation to look at: light and wide, dark and on a phone.
async function screenshots() {
  await end('SIGKILL')
  await start('')
  for (const page of [ann, bob, late]) await page.call('Page.close')
  const pages = {}
  for (const name of ['Ada', 'Grace', 'Linus']) {
    const phone = name === 'Grace'
    const size = phone ? { width: 390, height: 720, phone, dark: true } : { width: 1080, height: 720 }
    pages[name] = await browser.open(`${url}?name=${name}`, size)
    await pages[name].until('ready')
  }
  await browser.open(`${url}?name=Ken#garden`)
  const script = [
    ['Linus', 'Deploying the new build in a minute. Keep talking, please.'],
    ['Ada', 'Will we notice?'],
    ['Linus', 'You get a Close with 1012, spread over two seconds, and come back by yourselves.'],
    ['Grace', 'And what I say in between?'],
    ['Ada', 'It is said again until it is acknowledged, and the server knows it by its id. Once, for everybody.'],
    ['Grace', 'I am on a train. Let us see.'],
    ['Linus', 'Restarted. Has anybody lost a word?'],
    ['Ada', 'I have not noticed a thing. Everything is here, and once.'],
  ]
  for (const [name, text] of script) {
    await new Promise(resolve => setTimeout(resolve, 1200 + Math.random() * 1500))
    await pages[name].get(`document.getElementById('text').focus()`)
    await pages[name].type(text)
    await pages[name].press('Enter')
    for (const page of Object.values(pages)) await page.until(shows(text))
  }
  await new Promise(resolve => setTimeout(resolve, 20000))
  await pages.Ada.shot(join(shots, 'chat.png'))
  await pages.Grace.get(`document.querySelector('summary').click()`)
  await pages.Grace.shot(join(shots, 'phone.png'))
}
