import { midwire } from '@midwire/vitest-plugin/config'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [midwire()],
  test: {
    // graphql refuses to be loaded twice, and vitest picks its development build where Node picks the other for graphql-ws.
    server: { deps: { inline: ['graphql-ws'] } },
  },
})
