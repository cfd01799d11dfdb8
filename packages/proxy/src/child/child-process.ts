import { readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { readParent } from '../register/parent-address.ts'

/**
 * Why a process that has not opened a connection so far cannot be one that opens them through us; `undefined`: it is one. Only Linux tells
 * with what a process was started.
 */
export function whyNoChild(pid: number, isKnown: (token: string) => boolean): string | undefined {
  if (!isAlive(pid)) return `there is no process ${pid}`
  const program = read(() => basename(readlinkSync(`/proc/${pid}/exe`)))
  if (program === undefined) return `process ${pid} has opened no connection through this proxy so far`
  if (!/^(?:node|electron)/i.test(program))
    return `process ${pid} (${program}) is not Node, whose connections alone can be told by their process`
  const environment = read(() => readFileSync(`/proc/${pid}/environ`, 'utf8')) ?? ''
  const variables = environment.split('\0').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
  const parent = readParent(Object.fromEntries(variables) as NodeJS.ProcessEnv)
  if (parent === undefined) return `process ${pid} (${program}) was started without the import that takes its connections in`
  return isKnown(parent.token) ? undefined : `process ${pid} (${program}) was started for another proxy`
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function read(fn: () => string): string | undefined {
  try {
    return fn()
  } catch {
    return undefined
  }
}
