import type { RewritableHandshake } from '../rule/rule.ts'
import { editedTarget, groupedHeaders, mergedHeaders } from './edited-head.ts'
import type { Locus } from './http-connection.ts'

/** Lets a rule's function change a handshake: only what it changed is written anew, all else leaves as it came. */
export function rewriteRequest(
  { target, requestTarget, headers }: Locus,
  change: (request: RewritableHandshake) => void,
): Pick<Locus, 'requestTarget' | 'headers'> {
  const before = groupedHeaders(headers)
  const request = structuredClone({ path: target.path, query: { ...target.query }, headers: before })
  change(request)
  return {
    requestTarget: editedTarget(requestTarget, target, request.path, request.query, 'rewrite()'),
    headers: mergedHeaders(headers, before, request.headers),
  }
}
