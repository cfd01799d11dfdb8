/** Where a child finds the proxy of the process that started it. */
export interface ParentAddress {
  /** Of the listener for letters, and of that for connections, on 127.0.0.1. */
  readonly lettersPort: number
  readonly landingPort: number
  /** Says whose child it is. */
  readonly token: string
  /** File with the authority's certificate, in PEM. */
  readonly certificateFile: string
}

/** The variables that tell a child of it. */
export function parentVariables({ lettersPort, landingPort, token, certificateFile }: ParentAddress): Record<string, string> {
  return { MIDWIRE_PARENT: `${lettersPort} ${landingPort} ${token}`, MIDWIRE_CA: certificateFile }
}

/** What they say; `undefined` where they are missing. */
export function readParent({ MIDWIRE_PARENT = '', MIDWIRE_CA = '' }: NodeJS.ProcessEnv): ParentAddress | undefined {
  const [lettersPort, landingPort, token] = MIDWIRE_PARENT.split(' ')
  if (!lettersPort || !landingPort || !token) return undefined
  return { lettersPort: Number(lettersPort), landingPort: Number(landingPort), token, certificateFile: MIDWIRE_CA }
}
