import { createContext, useEffect, useState } from 'react';

import type { Api, Health } from '../api/api.ts';
import { followOverview } from '../flags/follow-overview.ts';
import { useVisible } from './use-visible.ts';

/** Whether the page shows each change as soon as the server has it. */
export const LiveContext = createContext(false);

/** Keeps what the pages show current, until it is disabled. Returns whether it is, and the state of the server. */
export const useLive = (api: Api, isEnabled: boolean) => {
  const [isLive, setIsLive] = useState(false);
  const [health, setHealth] = useState<Health>('ready');
  const isVisible = useVisible();
  // Browsers open six connections to a server, so all pages share one stream, and hidden tabs have none.
  const isFollowing = isEnabled && isVisible;
  useEffect(
    () =>
      isFollowing ? followOverview(api, { onLive: setIsLive, onHealth: setHealth }) : undefined,
    [api, isFollowing],
  );
  return { isLive: isFollowing && isLive, health };
};
