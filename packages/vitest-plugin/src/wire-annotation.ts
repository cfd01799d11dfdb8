import type { RunnerTestCase, TestContext } from 'vitest'

/** Type of the annotation that holds a failed test's transcript. */
export const transcriptAnnotation = 'wire'

/**
 * Adds the transcript to a test that has failed. Reporters show annotations: the default one under the error, junit as a property, github as
 * a notice.
 */
export async function annotate(context: TestContext, transcript: string): Promise<void> {
  const text = `seen on the wire${attempt(context.task)}\n${transcript}`
  try {
    await whileRunning(context.task, () => context.annotate(text, transcriptAnnotation))
  } catch {
    // A transcript that cannot be annotated must not hide the failure it explains.
    console.error(text)
  }
}

/** True for a test whose error tells already what was seen: a wait or a matcher that was not met, or traffic that was not expected. */
export function tellsItself({ result }: RunnerTestCase): boolean {
  const { name = '', message = '' } = result?.errors?.at(-1) ?? {}
  return /\[MIDWIRE_(?:UNMET|UNEXPECTED)\]$/.test(name) || /^expect\(proxy.*\)(?:\.not)?\.to.*\n {2}at /.test(message)
}

/** vitest takes annotations only from a running test, and has counted the failure before the hooks around the test get their turn back. */
function whileRunning<R>({ result }: RunnerTestCase, fn: () => R): R {
  if (!result) return fn()
  const { state } = result
  try {
    result.state = 'run'
    return fn()
  } finally {
    result.state = state
  }
}

function attempt({ result, retry }: RunnerTestCase): string {
  return retry ? ` by attempt ${(result?.retryCount ?? 0) + 1}` : ''
}
