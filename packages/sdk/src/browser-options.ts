import { createHash, X509Certificate } from 'node:crypto'

/** What a Chromium is launched with; for `chromium.launch()` of Playwright, `puppeteer.launch()`, or a command line. */
export interface BrowserLaunchOptions {
  readonly args: string[]
}

/** What one context of a browser is made with; for `browser.newContext()` of Playwright. */
export interface BrowserContextOptions {
  readonly proxy: { readonly server: string; readonly bypass: string }
}

/** It trusts what this authority has signed, by its key alone, and asks for nothing on its own account. */
export function browserLaunchOptions(certificate: string): BrowserLaunchOptions {
  return { args: [`--ignore-certificate-errors-spki-list=${spkiHash(certificate)}`, ...quiet] }
}

/** All its traffic goes through the proxy, that to this machine included, which Chromium would leave out. */
export function browserContextOptions(proxy: string): BrowserContextOptions {
  return { proxy: { server: proxy, bypass: '<-loopback>' } }
}

/** SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 §2.4), in base64. */
export function spkiHash(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(spki).digest('base64')
}

// Drivers give most of them anyway. No `--disable-features`: the last one counts, and would take away that of the driver.
const quiet = [
  '--disable-background-networking',
  '--disable-client-side-phishing-detection',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-default-browser-check',
  '--no-first-run',
  '--no-pings',
] as const
