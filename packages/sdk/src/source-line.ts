import { isAbsolute, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceLine } from '@midwire/proxy'

/** Where a test called Midwire, with the part of the stack that is the test's own. */
export interface CallSite {
  readonly line: SourceLine
  /** The frames from the caller on, as the engine printed them. */
  readonly frames: string
}

const unknownLine: SourceLine = Object.freeze({ file: '<unknown>', line: 0, column: 0 })
const location = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Za-z]:[\\/]).+?):(\d+):(\d+)\)?$/
const testFile = /\.(?:test|spec|test-d)\.[cm]?[jt]sx?$/
const library = /[\\/]node_modules[\\/]/
const ownFolders = new Set<string>([import.meta.dirname])

/** Frames in this folder are Midwire's own and never the caller's line. For packages that build on this one. */
export function countAsOwn(folder: string): void {
  ownFolders.add(folder)
}

let told: CallSite | undefined

/** Calls `fn` as if from there: for callers that the stack of this process does not show, such as a page. */
export function calledFrom<R>(site: CallSite, fn: () => R): R {
  const before = told
  told = site
  try {
    return fn()
  } finally {
    told = before
  }
}

/** The nearest caller outside of Midwire's own packages; test files beside Midwire's sources count as callers. */
export function callSite(): CallSite {
  if (told) return told
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 60
  const stack = new Error('call site').stack ?? ''
  Error.stackTraceLimit = limit
  return readCallSite(stack)
}

/** The call site that a printed stack leads to; a frame of a library, a runner's `expect` say, only where there is no other. */
export function readCallSite(stack: string): CallSite {
  const frames = stack.split('\n').filter(text => /^\s+at /.test(text))
  let inLibrary: CallSite | undefined
  for (const [index, text] of frames.entries()) {
    const line = readFrame(text)
    if (!line || isOwn(line.file)) continue
    // Midwire's own frames behind it ran the test.
    const site = { line, frames: frames.slice(index).filter(isForeign).join('\n') }
    if (!library.test(line.file)) return site
    inLibrary ??= site
  }
  return inLibrary ?? { line: unknownLine, frames: frames.join('\n') }
}

/** Gives an error the stack of a call site, so that runners point at the test and not into Midwire. */
export function placedAt<E extends Error>(error: E, site: CallSite): E {
  error.stack = `${error.name}: ${error.message}\n${site.frames}`
  return error
}

/** `channel.test.ts:41`, relative to `base` where the file lies inside it. */
export function showLine(line: SourceLine, base: string = process.cwd()): string {
  const inside = relative(base, line.file)
  const file = inside === '' || inside.startsWith('..') || isAbsolute(inside) ? line.file : inside
  return `${file}:${line.line}`
}

function readFrame(text: string): SourceLine | undefined {
  const found = location.exec(text)
  if (!found) return undefined
  const [, place = '', line, column] = found
  const path = place.startsWith('file://') ? fileURLToPath(place) : place
  return { file: path.replace(/\?.*$/, ''), line: Number(line), column: Number(column) }
}

function isForeign(frame: string): boolean {
  const line = readFrame(frame)
  return line === undefined || !isOwn(line.file)
}

function isOwn(file: string): boolean {
  if (testFile.test(file)) return false
  for (const folder of ownFolders) if (file.startsWith(folder + sep)) return true
  return false
}
