import type { Runtime } from '@pennon/sync';
import { defaultRuntime } from '@pennon/sync';

import { checkFlags, checkOptions, checkRefresh, optionWarning } from './checks.ts';
import type { LocalFlags } from './local-flags.ts';
import type { PennonWebProviderOptions, RefreshOptions } from './options.ts';
import { PennonWebProvider as ProviderOfPages } from './provider.ts';

export type * from './index.ts';

/**
 * The provider with further checks of what an application passes. Bundlers choose it by the condition `development`,
 * so that pages need not load them.
 */
export class PennonWebProvider extends ProviderOfPages {
  constructor(options: PennonWebProviderOptions, runtime: Runtime = defaultRuntime) {
    checkOptions(options);
    super(options, runtime);
    const warning = optionWarning(options);
    if (warning !== undefined) this.warn(warning);
  }

  override setFlags(flags: LocalFlags): void {
    checkFlags(flags);
    super.setFlags(flags);
  }

  override async refresh(options: RefreshOptions = {}): Promise<boolean> {
    checkRefresh(options);
    return super.refresh(options);
  }
}
