import { createHash, X509Certificate } from 'node:crypto'

/** What each runtime needs to trust the authority whose certificate is in a file. */
export function trustLines(file: string, certificate: string): string {
  const quoted = /^[\w./:@%+-]+$/.test(file) ? file : `'${file.replaceAll("'", String.raw`'\''`)}'`
  return lines([
    ['Node', `NODE_EXTRA_CA_CERTS=${quoted}`],
    ['curl', `curl --cacert ${quoted}   or CURL_CA_BUNDLE=${quoted}`],
    ['Python requests', `REQUESTS_CA_BUNDLE=${quoted}`],
    ['Python, Go, Ruby, PHP', `SSL_CERT_FILE=${quoted}   (in place of the system's roots)`],
    ['git', `git -c http.sslCAInfo=${quoted}   or GIT_SSL_CAINFO=${quoted}`],
    ['Deno', `DENO_CERT=${quoted}`],
    ['Java', `keytool -importcert -noprompt -alias midwire -storepass changeit -keystore trust.p12 -file ${quoted}`],
    ['', 'java -Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit …'],
    ['Chrome, Chromium', `--ignore-certificate-errors-spki-list=${spkiHash(certificate)}`],
    ['Firefox', 'Settings → Privacy & Security → View Certificates → Authorities → Import'],
  ])
}

/** What each runtime needs to use a proxy. */
export function proxyLines(url: string): string {
  const { host, hostname, port } = new URL(url)
  return lines([
    ['most programs', `export HTTP_PROXY=${url} HTTPS_PROXY=${url} http_proxy=${url} https_proxy=${url}`],
    ['curl', `curl --proxy ${url}   or curl --proxy socks5h://${host}`],
    ['git', `git -c http.proxy=${url}`],
    ['Node', `NODE_USE_ENV_PROXY=1 HTTP_PROXY=${url} HTTPS_PROXY=${url}`],
    ['Java', `-Dhttp.proxyHost=${hostname} -Dhttp.proxyPort=${port} -Dhttps.proxyHost=${hostname} -Dhttps.proxyPort=${port}`],
    ['Chrome, Chromium', `--proxy-server=${url} --proxy-bypass-list='<-loopback>'`],
  ])
}

/** What Chromium knows a key by: SHA-256 of its SubjectPublicKeyInfo, in base64. */
export function spkiHash(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('base64')
}

function lines(pairs: readonly (readonly [name: string, line: string])[]): string {
  return pairs.map(([name, line]) => `  ${name.padEnd(22)} ${line}`).join('\n')
}
