// Loaded first by children on Node, as their NODE_OPTIONS say: from then on their connections go through the proxy of the process that
// started them. Without the variables that name it, nothing happens.
import { readParent } from './parent-address.ts'

const parent = readParent(process.env)
if (parent) {
  // Only now: a process without a parent does not pay for what it does not need.
  const { install } = await import('../capture/reroute.ts')
  const { ParentAuthority } = await import('./parent-authority.ts')
  const { ParentTarget } = await import('./parent-target.ts')
  const target = new ParentTarget(parent)
  await install({ authority: new ParentAuthority(parent.certificateFile), target, landing: target.landing })
}
