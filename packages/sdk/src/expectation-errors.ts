import { MidwireError } from '@midwire/proxy'

/** A wait that was not met in time. Its text is the transcript. */
export class UnmetExpectation extends MidwireError {
  constructor(text: string) {
    super('MIDWIRE_UNMET', text)
  }
}

/** An absence that was not: what `expectNo…` was to rule out has been seen. */
export class UnexpectedTraffic extends MidwireError {
  constructor(text: string) {
    super('MIDWIRE_UNEXPECTED', text)
  }
}

/** A rule of a test that never acted. */
export class UnusedRule extends MidwireError {
  constructor(text: string) {
    super('MIDWIRE_UNUSED_RULE', text)
  }
}
