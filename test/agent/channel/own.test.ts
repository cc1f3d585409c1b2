import { fileURLToPath } from 'node:url'
import { loadUserModule } from '../../../src/agent/config/user-module.ts'
import type { ChannelSpec } from '../../../src/agent/contract.ts'
import { channelContract } from '../../contract/channel.ts'
import { channelContext } from '../../support/channel-context.ts'

const file = fileURLToPath(new URL('../../../../conf/components/bounded-list.ts', import.meta.url))
const { exports } = await loadUserModule(file)
const { boundedList } = exports as { readonly boundedList: ChannelSpec }

channelContract("a user's own channel", async ({ capacity, transactionCapacity, keepAliveMs }, clock) => {
  const context = channelContext(clock)
  const channel = await boundedList.create({ capacity, transactionCapacity, patience: keepAliveMs }, context)
  return { channel, counters: context.counters, close: async () => channel.stop?.() }
})
