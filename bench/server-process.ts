import type { Certificate } from './middle.ts'
import { startServer } from './server.ts'

process.once('message', (certificate: Certificate) => {
  void startServer(certificate).then(ports => process.send!(ports))
})
process.once('disconnect', () => process.exit())
