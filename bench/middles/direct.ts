import type { Middle } from '../middle.ts'

export const direct: Middle = {
  name: 'direct',
  start: async upstream => ({ url: upstream.url, stop: async () => {} }),
}
