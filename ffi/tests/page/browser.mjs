// Chromium without a window, told what to do through a pipe (DevTools protocol): no package is needed.
import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'

/// Of anything that is waited for.
export const PATIENCE = 30_000

export class Browser {
  #child
  #calls = new Map()
  #last = 0
  #profile
  trouble = []

  constructor(profile) {
    this.#profile = profile
    rmSync(profile, { recursive: true, force: true })
    const program = process.env.CHROMIUM || 'chromium'
    this.#child = spawn(program, [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--mute-audio',
      '--no-first-run', '--disable-background-networking', '--disable-component-update',
      // A page that is not in front is not slowed down.
      '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
      '--disable-backgrounding-occluded-windows', '--force-color-profile=srgb', '--lang=en-GB',
      `--user-data-dir=${profile}`, '--remote-debugging-pipe',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, TZ: 'UTC' } })
    this.#child.on('error', error => { throw new Error(`${program} is needed: ${error.message}`) })
    let unread = Buffer.alloc(0)
    this.#child.stdio[4].on('data', data => {
      unread = Buffer.concat([unread, data])
      for (let end; (end = unread.indexOf(0)) >= 0; unread = unread.subarray(end + 1)) {
        this.#answered(JSON.parse(unread.subarray(0, end)))
      }
    })
  }

  #answered({ id, error, result, method, params }) {
    if (method === 'Runtime.exceptionThrown') {
      const { text, exception } = params.exceptionDetails
      this.trouble.push(`${text} ${exception?.description ?? ''}`)
    }
    const call = this.#calls.get(id)
    if (!call) return
    this.#calls.delete(id)
    if (error) call.reject(new Error(`${call.method}: ${error.message}`))
    else call.resolve(result)
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#last
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    return new Promise((resolve, reject) => this.#calls.set(id, { method, resolve, reject }))
  }

  /// A page in a context of its own: another user, who has stored nothing.
  async open(url, { width = 1200, height = 800, phone = false, dark = false } = {}) {
    const { browserContextId } = await this.call('Target.createBrowserContext')
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(this, sessionId)
    await page.call('Runtime.enable')
    await page.call('Page.enable')
    const deviceScaleFactor = phone ? 2 : 1
    await page.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor, mobile: phone })
    if (phone) await page.call('Emulation.setTouchEmulationEnabled', { enabled: true })
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]
    await page.call('Emulation.setEmulatedMedia', { features })
    await page.call('Page.navigate', { url })
    return page
  }

  async close() {
    const ended = new Promise(resolve => this.#child.on('exit', resolve))
    await this.call('Browser.close')
    await ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }

  kill() { this.#child.kill('SIGKILL') }
}

class Page {
  constructor(browser, session) { Object.assign(this, { browser, session }) }

  call(method, params) { return this.browser.call(method, params, this.session) }

  /// The value of an expression in the page.
  async get(expression) {
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true }
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', params)
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`)
    return result.value
  }

  /// Until the expression is true.
  async until(expression, what = expression) {
    const end = Date.now() + PATIENCE
    while (!await this.get(`!!(${expression})`).catch(() => false)) {
      if (Date.now() > end) throw new Error(`never: ${what}\n${await this.get('document.body.innerText')}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /// As keys do it, to whatever has the focus.
  async type(text) { await this.call('Input.insertText', { text }) }
  async press(key, code = key) {
    const virtual = { Enter: 13, Tab: 9, Escape: 27 }[key]
    const event = { key, code, windowsVirtualKeyCode: virtual, text: key === 'Enter' ? '\r' : undefined }
    await this.call('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
    await this.call('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  async shot(file) {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png' })
    writeFileSync(file, Buffer.from(data, 'base64'))
  }
}
