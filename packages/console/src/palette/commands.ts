import { hasRole, type Session } from '../api/sessions.ts';
import type { Overview, Row } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';

/** A flag to enable or disable in one environment. */
export type Switch = {
  readonly flag: string;
  readonly environment: string;
  readonly enabled: boolean;
};

/** The page that a command opens, or what it changes. */
export type Target =
  | { readonly kind: 'page'; readonly to: Page }
  | { readonly kind: 'flag' | 'segment'; readonly key: string }
  | { readonly kind: 'switch'; readonly change: Switch };

export type Command = {
  readonly label: string;
  /** What kind of command it is, or another name of it. */
  readonly about: string;
  readonly target: Target;
};

export const PAGES = [
  '/flags',
  '/segments',
  '/experiments',
  '/experiments/ramps',
  '/experiments/metrics',
  '/compare',
  '/try',
  '/audit',
  '/settings/environments',
  '/settings/keys',
  '/settings/people',
  '/settings/groups',
  '/settings/invitations',
  '/settings/servers',
  '/settings/account',
] as const;
export type Page = (typeof PAGES)[number];

const PAGE_NAMES: Readonly<Record<Page, () => string>> = {
  '/flags': () => t('flags.title'),
  '/segments': () => t('segments.title'),
  '/experiments': () => t('experiments.title'),
  '/experiments/ramps': () => t('ramps.title'),
  '/experiments/metrics': () => t('metrics.title'),
  '/compare': () => t('compare.title'),
  '/try': () => t('flag.tab.try'),
  '/audit': () => t('audit.title'),
  '/settings/environments': () => t('settings.page.environments'),
  '/settings/keys': () => t('settings.page.keys'),
  '/settings/people': () => t('settings.page.people'),
  '/settings/groups': () => t('settings.page.groups'),
  '/settings/invitations': () => t('settings.page.invitations'),
  '/settings/servers': () => t('settings.page.servers'),
  '/settings/account': () => t('settings.page.account'),
};

const pageCommands = (): readonly Command[] =>
  PAGES.map(to => ({
    label: PAGE_NAMES[to](),
    about: t('palette.page'),
    target: { kind: 'page', to },
  }));

const flagCommand = ({ key, name }: Row): Command => ({
  label: key,
  about: name === null ? t('palette.flag') : `${t('palette.flag')} · ${name}`,
  target: { kind: 'flag', key },
});

/** Returns what can be switched of a flag, in the environments where the session may. */
const switchCommands = (
  { key: flag, cells }: Row,
  { environments }: Overview,
  session: Session,
): readonly Command[] =>
  environments.flatMap(({ key: environment }) => {
    const cell = cells[environment];
    if (!cell || !hasRole(session, 'editor', environment)) return [];
    const enabled = !cell.enabled;
    return [
      {
        label: t(enabled ? 'palette.enable' : 'palette.disable', { flag, environment }),
        about: t('palette.action'),
        target: { kind: 'switch', change: { flag, environment, enabled } } as const,
      },
    ];
  });

/** How many commands are shown, and of how many flags the switches are. */
const MAX_COMMANDS = 12;
const MAX_SWITCHED = 20;

export type Sources = {
  readonly overview: Overview | undefined;
  /** The keys of segments. */
  readonly segments: readonly string[];
  readonly session: Session;
};

/** Returns the commands that have all words of a text, the best ones first. */
export const findCommands = (
  { overview, segments, session }: Sources,
  text: string,
): readonly Command[] => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const flags = overview?.flags ?? [];
  const named = flags.filter(({ key, name }) => hasAll(`${key} ${name ?? ''}`, words));
  const switched = flags.filter(({ key }) => hasOne(key, words)).slice(0, MAX_SWITCHED);
  const others: readonly Command[] = [
    ...segments.map((key): Command => ({
      label: key,
      about: t('palette.segment'),
      target: { kind: 'segment', key },
    })),
    ...(overview ? switched.flatMap(row => switchCommands(row, overview, session)) : []),
  ];
  const [first = ''] = words;
  return [
    ...pageCommands().filter(({ label }) => hasAll(label, words)),
    ...named
      .toSorted((a, b) => rank(a.key, first) - rank(b.key, first))
      .slice(0, MAX_COMMANDS)
      .map(flagCommand),
    ...others.filter(({ label }) => hasAll(label, words)),
  ]
    .toSorted((a, b) => rank(a.label, first) - rank(b.label, first))
    .slice(0, MAX_COMMANDS);
};

const hasAll = (text: string, words: readonly string[]): boolean => {
  const lower = text.toLowerCase();
  return words.every(word => lower.includes(word));
};

/** Whether a key has one of the words. */
const hasOne = (key: string, words: readonly string[]): boolean => {
  const lower = key.toLowerCase();
  return words.some(word => lower.includes(word));
};

/** Labels that begin with the first word are better. */
const rank = (label: string, word: string): number => {
  const index = label.toLowerCase().indexOf(word);
  return index === -1 ? Number.MAX_SAFE_INTEGER : Math.min(index, 1);
};
