// Loaded first by children on Node, as their NODE_OPTIONS say: from then on their connections go through the proxy of the process that
// started them. Without the variables that name it, nothing happens.
import { install } from '../capture/reroute.ts'
import { ParentAuthority } from './parent-authority.ts'
import { readParent } from './parent-address.ts'
import { ParentTarget } from './parent-target.ts'

const parent = readParent(process.env)
if (parent) {
  const target = new ParentTarget(parent)
  await install({ authority: new ParentAuthority(parent.certificateFile), target, landing: target.landing })
}
