/** What a unit did until an instant: a sum in which what is older counts less. */
export type Profile = { readonly value: number; readonly timeMs: number };

const HALF_LIFE_MS = 7 * 86_400_000;

const decay = (ms: number): number => 2 ** (-ms / HALF_LIFE_MS);

/** Returns the sum as of a later instant. */
export const profileAt = (profile: Profile | undefined, timeMs: number): number =>
  profile === undefined ? 0 : profile.value * decay(Math.max(0, timeMs - profile.timeMs));

/** Returns the profile after an event, which may be older than others. */
export const withAmount = (
  profile: Profile | undefined,
  timeMs: number,
  amount: number,
): Profile => {
  if (profile === undefined || timeMs >= profile.timeMs)
    return { value: profileAt(profile, timeMs) + amount, timeMs };
  return { ...profile, value: profile.value + amount * decay(profile.timeMs - timeMs) };
};
