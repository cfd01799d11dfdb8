import type { Target } from './case.ts'

/** Whom a case over plain TCP compares. */
export const overWs: readonly string[] = ['direct', 'TCP pipe', 'two ws ends', 'Midwire urlFor', 'Midwire', 'Midwire, JSON rule']

/** Whom a case over TLS compares. */
export const overWss: readonly string[] = [
  'direct',
  'TCP pipe',
  'TLS pipe',
  'two ws ends',
  'Midwire urlFor',
  'Midwire',
  'Midwire, JSON rule',
]

export function variantsOver(scheme: 'ws' | 'wss'): { variants: readonly string[]; baseline: string } {
  return scheme === 'ws' ? { variants: overWs, baseline: 'TCP pipe' } : { variants: overWss, baseline: 'TLS pipe' }
}

/** The same target for each way in that has no rule. */
export function withoutRule(target: Omit<Target, 'variant'>): readonly Target[] {
  return ['Midwire urlFor', 'Midwire', 'Midwire, journal full'].map(variant => ({ variant, ...target }))
}

export function withRule(target: Omit<Target, 'variant'>): readonly Target[] {
  return [{ variant: 'Midwire, JSON rule', ...target }]
}
