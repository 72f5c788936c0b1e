import { createContext, useEffect, useState } from 'react';

import type { Api } from '../api/api.ts';
import { followOverview } from '../flags/follow-overview.ts';
import { useVisible } from './use-visible.ts';

/** Whether the page shows each change as soon as the server has it. */
export const LiveContext = createContext(false);

/** Keeps what the pages show current, until it is disabled. Returns whether it is current. */
export const useLive = (api: Api, isEnabled: boolean): boolean => {
  const [isLive, setIsLive] = useState(false);
  const isVisible = useVisible();
  // Browsers open six connections to a server, so all pages share one stream, and hidden tabs have none.
  const isFollowing = isEnabled && isVisible;
  useEffect(() => (isFollowing ? followOverview(api, setIsLive) : undefined), [api, isFollowing]);
  return isFollowing && isLive;
};
