import type { PresenceMessage, RealtimeChannel } from 'ably'
import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, realtime } from './on-the-wire.ts'
import { Flag, type PresenceAction, type PresenceMember, type ProtocolMessage } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

/** A member as the server tells of it: present in the connection of its own, since the n-th message there. */
function member(clientId: string, how: { action?: PresenceAction; since?: number } = {}): PresenceMember {
  const { action = 'PRESENT', since = 0 } = how
  return { action, clientId, connectionId: `of-${clientId}`, id: `of-${clientId}:${since}:0`, timestamp: 1_700_000_000_000 + since }
}

/** The test is the server: it answers ATTACH with these messages, in this order, and no server sees any of it. */
async function attachTo(options: object, ...script: ProtocolMessage[]): Promise<RealtimeChannel> {
  proxy.onConnect().accept({ action: 'CONNECTED', connectionId: 'scripted', connectionDetails: { connectionKey: 'scripted!1' } })
  const channel = channelOf(realtime(options))
  const { name } = channel
  let answer = proxy
    .onClientMessage({ action: 'ATTACH' })
    .once()
    .reply({ action: 'ATTACHED', channel: name, flags: Flag.BASIC_MODES | Flag.HAS_PRESENCE })
  for (const message of script) answer = answer.thenSendToClient({ ...message, channel: name })
  await channel.attach()
  return channel
}

async function present(channel: RealtimeChannel): Promise<string[]> {
  const members = await channel.presence.get()
  return members.map(({ clientId }: PresenceMessage) => clientId).sort()
}

describe.each(formats)('in %s', (_, format) => {
  test('a sync in two pages gives everybody who is present, and replaces who was', async () => {
    const channel = await attachTo(
      format,
      { action: 'SYNC', channelSerial: 'first:cursor', presence: [member('one')] },
      { action: 'SYNC', channelSerial: 'first:', presence: [member('two')] },
    )
    expect(await present(channel)).toEqual(['one', 'two'])

    proxy.connection.sendToClient({ action: 'ATTACHED', channel: channel.name, flags: Flag.BASIC_MODES | Flag.HAS_PRESENCE })
    proxy.connection.sendToClient({
      action: 'SYNC',
      channel: channel.name,
      channelSerial: 'second:',
      presence: [member('two'), member('three')],
    })
    await proxy.connection.flushed({ to: 'client' })
    expect(await present(channel)).toEqual(['three', 'two'])
  })

  test('a member who enters in the middle of a sync stays', async () => {
    const channel = await attachTo(
      format,
      { action: 'SYNC', channelSerial: 'sync:cursor', presence: [member('one')] },
      { action: 'PRESENCE', presence: [member('two', { action: 'ENTER' })] },
      { action: 'SYNC', channelSerial: 'sync:', presence: [member('three')] },
    )
    expect(await present(channel)).toEqual(['one', 'three', 'two'])
  })

  test('a member who was in the sync and enters later is there once', async () => {
    const channel = await attachTo(
      format,
      { action: 'SYNC', channelSerial: 'sync:cursor', presence: [member('one')] },
      { action: 'PRESENCE', presence: [member('one', { action: 'ENTER' })] },
      { action: 'SYNC', channelSerial: 'sync:', presence: [member('two')] },
    )
    expect(await present(channel)).toEqual(['one', 'two'])
  })

  test('a member who enters before its page of the sync comes is there once', async () => {
    const channel = await attachTo(
      format,
      { action: 'SYNC', channelSerial: 'sync:cursor', presence: [member('one')] },
      { action: 'PRESENCE', presence: [member('two', { action: 'ENTER' })] },
      { action: 'SYNC', channelSerial: 'sync:', presence: [member('two')] },
    )
    expect(await present(channel)).toEqual(['one', 'two'])
  })

  test('of two states of a member the newer one holds, in whatever order they come', async () => {
    const channel = await attachTo(
      format,
      { action: 'SYNC', channelSerial: 'sync:cursor', presence: [member('one', { since: 5 }), member('two', { since: 5 })] },
      { action: 'PRESENCE', presence: [member('one', { action: 'LEAVE', since: 4 })] },
      { action: 'PRESENCE', presence: [member('two', { action: 'LEAVE', since: 6 })] },
      { action: 'SYNC', channelSerial: 'sync:', presence: [member('two', { since: 5 })] },
    )
    expect(await present(channel)).toEqual(['one'])
  })
})
