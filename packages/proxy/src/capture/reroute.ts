import type { InstallOptions, Installation } from './capture.ts'
import { realm } from './realm.ts'

export type { InstallOptions, Installation }

/** From its resolution on, `target` is offered every TCP connection that code of this thread opens. */
export function install(options: InstallOptions): Promise<Installation> {
  return realm().capture.install(options)
}

/**
 * Puts the hooks in place before other code is loaded, passing everything through until something is installed: later interceptors then
 * lie on top of them, and secure contexts that modules make as they load are known. Returns how to take them away.
 */
export function prepareCapture(): () => void {
  return realm().capture.place()
}
