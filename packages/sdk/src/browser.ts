// What a page gets of this package: what it can use without a proxy of its own. The types are those of `index.ts`.
export { binary } from './codec/binary.ts'
export { json } from './codec/json.ts'
export { text } from './codec/text.ts'
export { presets } from './presets.ts'
