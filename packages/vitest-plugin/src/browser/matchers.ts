import { expect } from 'vitest'
import { checkInPage } from './page-coverage.ts'

const names = ['toHaveSent', 'toHaveReceived', 'toHaveSentInOrder', 'toHaveRequested', 'toHaveConnected']

expect.extend(
  Object.fromEntries(
    names.map(name => [
      name,
      function (this: { readonly isNot?: boolean }, proxy: unknown, ...args: readonly unknown[]) {
        const { text, ...result } = checkInPage(name, proxy, args, this.isNot === true)
        return { ...result, message: () => text }
      },
    ]),
  ),
)
