import type { Prepared } from './case.ts'
import { middleNamed } from './middles/all.ts'
import type { LaneReply, LaneRequest } from './processes.ts'
import { caseTitled } from './scenarios/all.ts'

let prepared: Prepared

async function answer(request: LaneRequest): Promise<number> {
  if (request.do === 'sample') {
    globalThis.gc?.()
    return prepared.sample()
  }
  if (request.do === 'done') await prepared.done()
  else {
    const { title, variant, upstream } = request
    prepared = await caseTitled(title).prepare({ variant, upstream, start: () => middleNamed(variant).start(upstream) })
  }
  return 0
}

process.on('message', (request: LaneRequest) => {
  const reply = (answer: LaneReply): boolean => process.send!(answer)
  answer(request).then(
    value => reply({ value }),
    error => reply({ error: String(error instanceof Error ? error.stack : error) }),
  )
})
process.once('disconnect', () => process.exit())
