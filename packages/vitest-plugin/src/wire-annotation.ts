import type { TestContext } from 'vitest'

/** Type of the annotation that holds a failed test's transcript. */
export const transcriptAnnotation = 'wire'

/**
 * Adds the transcript to a test that has failed. Reporters show annotations: the default one under the error, junit as a property, github as
 * a notice.
 */
export async function annotate(context: TestContext, transcript: string): Promise<void> {
  const { result } = context.task
  const state = result?.state
  try {
    // vitest takes annotations only from a running test, and learns of the failure before this hook gets its turn back.
    if (result) result.state = 'run'
    const done = context.annotate(transcript, transcriptAnnotation)
    if (result && state) result.state = state
    await done
  } catch {
    // A transcript that cannot be annotated must not hide the failure it explains.
    console.error(transcript)
  } finally {
    if (result && state) result.state = state
  }
}
