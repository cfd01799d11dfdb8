/** Of what a child's environment is made. */
export interface ChildEnvOptions {
  /** Of the HTTP proxy, `http://127.0.0.1:port`. */
  readonly url: string
  /** File with the authority's certificate alone, in PEM. */
  readonly certificateFile: string
  /** File with it and the roots that programs trust otherwise, for variables that replace those. */
  readonly bundleFile: string
  /** Hosts that are not to be reached through the proxy. @default [] */
  readonly noProxy?: readonly string[]
  /** Module that children on Node load first, as a URL, and the variables that it reads. @default none */
  readonly register?: { readonly url: string; readonly variables: Readonly<Record<string, string>> } | undefined
  /** What is there already: `NODE_OPTIONS` are kept. @default process.env */
  readonly base?: Readonly<Record<string, string | undefined>>
}

/** Each also in lower case: curl reads `http_proxy` in no other, and others read nothing else. */
const proxyVariables = ['HTTP_PROXY', 'HTTPS_PROXY', 'WS_PROXY', 'WSS_PROXY', 'ALL_PROXY'] as const

/** These add certificates to those that are trusted. */
const addingVariables = ['NODE_EXTRA_CA_CERTS', 'DENO_CERT'] as const

/** These replace them. */
export const replacingVariables = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'REQUESTS_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'npm_config_cafile',
  'AWS_CA_BUNDLE',
  'CARGO_HTTP_CAINFO',
  'BUNDLE_SSL_CA_CERT',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'NIX_SSL_CERT_FILE',
] as const

/** The variables that send a child's traffic through the proxy, and make it trust the authority; to be laid over its environment. */
export function childEnv(options: ChildEnvOptions): Record<string, string> {
  const { url, certificateFile, bundleFile, noProxy = [], register, base = process.env } = options
  const env: Record<string, string> = {}
  for (const name of proxyVariables) env[name] = env[name.toLowerCase()] = url
  // Empty, it overrules a list that would be inherited.
  env['NO_PROXY'] = env['no_proxy'] = noProxy.join(',')
  for (const name of addingVariables) env[name] = certificateFile
  for (const name of replacingVariables) env[name] = bundleFile
  // Where a client is met below, being told of a proxy would only make its errors those of a proxy.
  env['NODE_USE_ENV_PROXY'] = register ? '0' : '1'
  if (register) {
    Object.assign(env, register.variables)
    env['NODE_OPTIONS'] = withImport(base['NODE_OPTIONS'] ?? '', register.url)
  }
  return env
}

/** Percent-encoded, a file URL has no blanks and no quotes, which `NODE_OPTIONS` would have to escape. */
function withImport(options: string, url: string): string {
  const own = `--import=${url}`
  if (` ${options} `.includes(` ${own} `)) return options
  return options.trim() === '' ? own : `${options} ${own}`
}
