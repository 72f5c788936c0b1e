import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useRouteContext, useSearch } from '@tanstack/react-router';
import { useEffect, useId, useState, type FormEvent } from 'react';

import { detailsOf, statusOf } from '../api/errors.ts';
import { hasRole } from '../api/sessions.ts';
import { describeError } from '../app/pages.tsx';
import { EnvironmentTabs } from '../components/environment-tabs.tsx';
import { TextField } from '../components/field.tsx';
import { DeleteFormDialog } from '../components/delete-form-dialog.tsx';
import { FormDialog } from '../components/form-dialog.tsx';
import { textOf } from '../components/form-values.ts';
import { ActionButton, Loaded, Section } from '../components/section.tsx';
import { ChangeList } from '../flag/change-list.tsx';
import { ConditionList } from '../flag/condition-form.tsx';
import { isSame, type Condition } from '../flag/document.ts';
import { overviewOptions } from '../flags/follow-overview.ts';
import { shownEnvironment } from '../flags/overview.ts';
import { t } from '../i18n/i18n.ts';
import { SegmentChangedElsewhere } from './segment-changed-elsewhere.tsx';
import { describeEdits, editsOf } from './segment-edits.ts';
import {
  holdsFor,
  parseContext,
  segmentListOptions,
  segmentOptions,
  usersOptions,
  writeSegment,
  type SegmentEdits,
  type SegmentResponse,
} from './segment.ts';

const FROM = '/signed-in/segments/$key';
const EXACT = { exact: true };

/** One segment in one environment. */
export const SegmentPage = () => {
  const { api } = useRouteContext({ from: FROM });
  const { key } = useParams({ from: FROM });
  const { env } = useSearch({ from: FROM });
  const overview = useQuery(overviewOptions(api));
  useEffect(() => {
    document.title = `${key} · Pennon`;
  }, [key]);
  return (
    <div className="wide-page">
      <header>
        <Link to="/segments" search={{ env }}>
          {t('segments.title')}
        </Link>
        <h1>
          <bdi>{key}</bdi>
        </h1>
      </header>
      <Loaded query={overview}>
        {({ environments }) => {
          const environment = shownEnvironment(environments, env);
          return (
            <>
              <EnvironmentTabs environments={environments}>
                {(each, name) => (
                  <Link
                    key={each.key}
                    to="/segments/$key"
                    params={{ key }}
                    search={{ env: each.key }}
                    className="tab"
                    activeOptions={EXACT}
                    aria-current={each === environment ? 'page' : undefined}
                  >
                    {name}
                  </Link>
                )}
              </EnvironmentTabs>
              {environment !== undefined && (
                <SegmentLoader
                  key={`${environment.key} ${key}`}
                  environment={environment.key}
                  segment={key}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </div>
  );
};

type SegmentLoaderProps = { readonly environment: string; readonly segment: string };

const SegmentLoader = ({ environment, segment }: SegmentLoaderProps) => {
  const { api } = useRouteContext({ from: FROM });
  const list = useQuery(segmentListOptions(api, environment));
  const listed = list.data?.find(({ key }) => key === segment);
  const exists = list.data && listed !== undefined;
  const query = useQuery({
    ...segmentOptions(api, environment, segment),
    enabled: exists === true,
  });
  if (exists === undefined) return <Loaded query={list}>{() => null}</Loaded>;
  if (!exists) return <p>{t('segments.absent', { environment })}</p>;
  return (
    <Loaded query={query}>
      {response => (
        <SegmentEditor
          key={response.etag}
          environment={environment}
          response={response}
          version={listed?.version ?? response.version}
        />
      )}
    </Loaded>
  );
};

type SegmentEditorProps = {
  readonly environment: string;
  readonly response: SegmentResponse;
  /** The version that the server has now. */
  readonly version: number;
};

const SegmentEditor = ({ environment, response, version }: SegmentEditorProps) => {
  const { api, session } = useRouteContext({ from: FROM });
  const [base, setBase] = useState(response);
  const [theirs, setTheirs] = useState<SegmentResponse>();
  const live = editsOf(base);
  const [edits, setEdits] = useState(live);
  const [dialog, setDialog] = useState<'review' | 'delete'>();
  const attributes = useId();
  const mayWrite = hasRole(session, 'editor', environment);
  const isEdited = !isSame(live, edits);
  const sources = { api, environment, attributes, segments: [], flags: [] };
  const close = (): void => setDialog(undefined);
  // A change that is being saved is the person's own. While they choose, later ones wait for the next write.
  const isChangedElsewhere = dialog === undefined && theirs === undefined && version > base.version;
  useEffect(() => {
    if (!isChangedElsewhere) return undefined;
    if (!isEdited) {
      const { queryKey } = segmentOptions(api, environment, base.key);
      void api.queries.refetchQueries({ queryKey });
      return undefined;
    }
    // A response that arrives late would take the place of what the person chooses from.
    let isNeeded = true;
    void api.procedures.segments.get.query({ environment, key: base.key }).then(
      found => isNeeded && setTheirs(found),
      () => undefined,
    );
    return () => {
      isNeeded = false;
    };
  }, [api, environment, base.key, isChangedElsewhere, isEdited]);
  return (
    <>
      {!mayWrite && <p className="hint note">{t('cell.needsEditor', { environment })}</p>}
      {theirs !== undefined && (
        <SegmentChangedElsewhere
          key={theirs.etag}
          base={base}
          edits={edits}
          theirs={theirs}
          onMerge={merged => {
            setEdits(merged);
            setBase(theirs);
            setTheirs(undefined);
          }}
        />
      )}
      <datalist id={attributes}>
        <option>targetingKey</option>
      </datalist>
      <fieldset className="segment-form" disabled={!mayWrite}>
        <legend className="sr-only">{t('segments.conditions')}</legend>
        <Words edits={edits} onChange={setEdits} />
        <h2>{t('segments.conditions')}</h2>
        <ConditionList
          conditions={edits.conditions}
          sources={sources}
          onChange={conditions => setEdits({ ...edits, conditions })}
        />
      </fieldset>
      {mayWrite && (
        <div className="item-actions">
          <button
            type="button"
            className="button primary"
            aria-disabled={!isEdited}
            onClick={() => {
              if (isEdited) setDialog('review');
            }}
          >
            {t('draft.review')}
          </button>
          {isEdited && (
            <ActionButton onClick={() => setEdits(live)}>{t('draft.discard')}</ActionButton>
          )}
          <ActionButton onClick={() => setDialog('delete')}>{t('settings.delete')}</ActionButton>
        </div>
      )}
      <Trial environment={environment} conditions={edits.conditions} />
      <UsedBy environment={environment} segment={response.key} />
      <ReviewSegment
        isOpen={dialog === 'review'}
        environment={environment}
        response={base}
        edits={edits}
        onChangedElsewhere={setTheirs}
        onClose={close}
      />
      <DeleteSegment
        isOpen={dialog === 'delete'}
        environment={environment}
        response={base}
        onClose={close}
      />
    </>
  );
};

type WordsProps = {
  readonly edits: SegmentEdits;
  readonly onChange: (edits: SegmentEdits) => void;
};

/** What people call the segment. */
const Words = ({ edits, onChange }: WordsProps) => {
  const id = useId();
  return (
    <>
      <div className="field">
        <label htmlFor={`${id}-name`}>{t('field.name')}</label>
        <input
          id={`${id}-name`}
          className="input"
          value={edits.name}
          onChange={({ target }) => onChange({ ...edits, name: target.value })}
        />
      </div>
      <div className="field">
        <label htmlFor={`${id}-description`}>{t('field.description')}</label>
        <textarea
          id={`${id}-description`}
          className="input"
          rows={2}
          value={edits.description}
          onChange={({ target }) => onChange({ ...edits, description: target.value })}
        />
      </div>
    </>
  );
};

type SegmentDialogProps = Omit<SegmentEditorProps, 'version'> & {
  readonly isOpen: boolean;
  readonly onClose: () => void;
};

const CHANGED_ELSEWHERE = 412;

type ReviewSegmentProps = SegmentDialogProps & {
  readonly edits: SegmentEdits;
  /** Receives the segment as others have written it since the edits began. */
  readonly onChangedElsewhere: (theirs: SegmentResponse) => void;
};

const ReviewSegment = (props: ReviewSegmentProps) => {
  const { isOpen, environment, response, edits, onChangedElsewhere, onClose } = props;
  const { api } = useRouteContext({ from: FROM });
  const { key, etag } = response;
  const write = async (form: FormData): Promise<void> => {
    const comment = textOf(form, 'comment');
    try {
      await writeSegment(api, { ...edits, environment, key, etag, comment });
    } catch (error) {
      if (statusOf(error) !== CHANGED_ELSEWHERE) throw error;
      onChangedElsewhere(await api.procedures.segments.get.query({ environment, key }));
    }
  };
  return (
    <FormDialog
      isOpen={isOpen}
      isWide
      title={t('segments.review', { segment: key, environment })}
      submit={t('review.apply')}
      onSubmit={write}
      onClose={onClose}
    >
      <ChangeList changes={describeEdits(editsOf(response), edits)} />
      <TextField name="comment" label={t('review.comment')} rows={2} />
    </FormDialog>
  );
};

const DeleteSegment = ({ isOpen, environment, response, onClose }: SegmentDialogProps) => {
  const { api } = useRouteContext({ from: FROM });
  const navigate = useNavigate();
  const { key, etag } = response;
  const remove = async (comment: string): Promise<void> => {
    await api.procedures.segments.delete.mutate(
      { environment, key, ifMatch: etag },
      { context: { comment } },
    );
    await navigate({ to: '/segments', search: { env: environment } });
    api.queries.removeQueries({ queryKey: segmentOptions(api, environment, key).queryKey });
    await api.queries.invalidateQueries({
      queryKey: segmentListOptions(api, environment).queryKey,
    });
  };
  return (
    <DeleteFormDialog
      isOpen={isOpen}
      title={t('settings.deleteOne', { name: key })}
      hint={t('segments.deleteHint')}
      onDelete={remove}
      onClose={onClose}
    />
  );
};

type TrialProps = { readonly environment: string; readonly conditions: readonly Condition[] };

const EXAMPLE = '{\n  "targetingKey": "ada"\n}';
const ROWS = 4;

/** Tries the conditions, as they are in the form, with a context. */
const Trial = ({ environment, conditions }: TrialProps) => {
  const { api } = useRouteContext({ from: FROM });
  const id = useId();
  const [text, setText] = useState(EXAMPLE);
  const [result, setResult] = useState('');
  const [error, setError] = useState('');
  const run = async (): Promise<void> => {
    setResult('');
    setError('');
    const context = parseContext(text);
    if (context === undefined) return setError(t('segments.notJson'));
    try {
      const holds = await holdsFor(api, environment, conditions, context);
      setResult(t(holds ? 'segments.member' : 'segments.notMember'));
    } catch (failure) {
      const [detail] = detailsOf(failure);
      setError(detail?.message ?? describeError(failure));
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    void run();
  };
  return (
    <Section title={t('segments.test')} hint={t('segments.testHint')}>
      <form className="field trial" onSubmit={submit}>
        <label htmlFor={id}>{t('segments.context')}</label>
        <textarea
          id={id}
          className="input code"
          rows={ROWS}
          value={text}
          spellCheck={false}
          aria-invalid={error !== ''}
          aria-describedby={`${id}-error`}
          onChange={({ target }) => setText(target.value)}
        />
        <p id={`${id}-error`} className="error" role="alert">
          {error}
        </p>
        <div className="item-actions">
          <button type="submit" className="button">
            {t('segments.run')}
          </button>
          <p role="status">{result}</p>
        </div>
      </form>
    </Section>
  );
};

/** The flags whose rules have the segment. */
const UsedBy = ({ environment, segment }: SegmentLoaderProps) => {
  const { api } = useRouteContext({ from: FROM });
  const users = useQuery(usersOptions(api, environment, segment));
  return (
    <Section title={t('segments.usedBy')}>
      <Loaded query={users}>
        {keys =>
          keys.length === 0 ? (
            <p className="hint">{t('segments.unused')}</p>
          ) : (
            <ul className="links">
              {keys.map(key => (
                <li key={key}>
                  <Link to="/flags/$key" params={{ key }} search={{ env: environment }}>
                    <bdi>{key}</bdi>
                  </Link>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
};
