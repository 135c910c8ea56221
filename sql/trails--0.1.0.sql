-- complain if the script is sourced in psql rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION trails" to load this file. \quit

-- The schema belongs to the extension, so that DROP EXTENSION leaves nothing.
CREATE SCHEMA trails;
COMMENT ON SCHEMA trails IS 'finds, trains, keeps and serves the best deep model for a table';
GRANT USAGE ON SCHEMA trails TO PUBLIC;

-- State. Written only by the functions below, which check ownership themselves. No foreign keys:
-- a parallel pg_restore would fail on them.

CREATE TABLE trails.run (
    run_id             bigint           PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner              regrole          NOT NULL,
    source             text             NOT NULL,
    source_oid         oid              NOT NULL,
    target             name             NOT NULL,
    state              text             NOT NULL CHECK (state IN ('finished', 'stopped')),
    budget             interval,
    seconds            double precision NOT NULL,
    over_budget_ms     bigint           NOT NULL,
    seed               bigint           NOT NULL,
    threads            integer          NOT NULL,
    device             text             NOT NULL CHECK (device IN ('cpu', 'cuda', 'hybrid')),
    card               text,
    placement          text             NOT NULL,
    plan               jsonb            NOT NULL,
    settings           jsonb            NOT NULL,
    rows               bigint           NOT NULL,
    train_rows         bigint           NOT NULL,
    valid_rows         bigint           NOT NULL,
    test_rows          bigint           NOT NULL,
    all_rows_read      boolean          NOT NULL,
    data_hash          text             NOT NULL,
    columns            name[]           NOT NULL,
    fields             text             NOT NULL,
    task               text             NOT NULL,
    metric             text             NOT NULL,
    architecture       text             NOT NULL,
    members            integer          NOT NULL,
    valid              double precision,
    test               double precision,
    floor              double precision,
    floor_valid        double precision,
    candidates_scored  bigint           NOT NULL,
    candidates_trained bigint           NOT NULL,
    reading_seconds    double precision NOT NULL,
    encoding_seconds   double precision NOT NULL,
    filtering_seconds  double precision NOT NULL,
    refinement_seconds double precision NOT NULL,
    final_seconds      double precision NOT NULL,
    storing_seconds    double precision NOT NULL,
    versions           text             NOT NULL,
    model_id           bigint           NOT NULL,
    started_at         timestamptz      NOT NULL
);
-- A learned filter looks for the caller's last runs.
CREATE INDEX run_owner ON trails.run (owner, run_id);
COMMENT ON TABLE trails.run IS 'one row a model selection, or training of one candidate, that ended well: what was asked, what was read, what came out, how long it took';
COMMENT ON COLUMN trails.run.run_id IS 'number of the run';
COMMENT ON COLUMN trails.run.owner IS 'role that called model_selection or train';
COMMENT ON COLUMN trails.run.source IS 'relation read, with its schema, as it was called then';
COMMENT ON COLUMN trails.run.source_oid IS 'oid of the relation read';
COMMENT ON COLUMN trails.run.target IS 'column to predict';
COMMENT ON COLUMN trails.run.state IS 'finished, or stopped before the plan was carried out (by stop_at, by a cancel under trails.on_cancel = keep, or by the budget when the plan was fixed)';
COMMENT ON COLUMN trails.run.budget IS 'wall time the caller gave; NULL for none (train)';
COMMENT ON COLUMN trails.run.seconds IS 'wall time taken, from the call to the stored model';
COMMENT ON COLUMN trails.run.over_budget_ms IS 'milliseconds above the budget, 0 within it or without one';
COMMENT ON COLUMN trails.run.seed IS 'seed of every random draw';
COMMENT ON COLUMN trails.run.threads IS 'engine threads';
COMMENT ON COLUMN trails.run.device IS 'where the phases ran: cpu; cuda, on the card; hybrid, the filtering phase on the CPU and the refinement phase on the card';
COMMENT ON COLUMN trails.run.card IS 'name of the CUDA device that was used, or weighed against the CPU and not used; NULL for none';
COMMENT ON COLUMN trails.run.placement IS 'why they ran there, for people';
COMMENT ON COLUMN trails.run.plan IS 'the plan as carried out, or of a run that was stopped the one it was following: n candidates scored, k of them in the first rung, u epochs there (a fraction when the clock decided), rungs that candidates were trained in; given back to model_selection, u rounded up to a whole number, n, k and u fix a plan like it: longer than a timed run, with another schedule';
COMMENT ON COLUMN trails.run.settings IS 'what the caller chose, or the defaults: encoding, split, group_by, categorical, numerical, stop_at, dropout, max_ids, device, precision; of a selection also space, tfmem, refinement, fixed n, k, u, eta, max_epochs, only_filter, history, banks, keep_candidates; of a training architecture and epochs';
COMMENT ON COLUMN trails.run.rows IS 'rows read';
COMMENT ON COLUMN trails.run.train_rows IS 'rows trained on';
COMMENT ON COLUMN trails.run.valid_rows IS 'rows that candidates were compared on';
COMMENT ON COLUMN trails.run.test_rows IS 'rows looked at once, at the end; 0 without a test split';
COMMENT ON COLUMN trails.run.all_rows_read IS 'false when reading was cut short to keep the budget';
COMMENT ON COLUMN trails.run.data_hash IS '32 hex digits over the contents of the rows read, whatever their order';
COMMENT ON COLUMN trails.run.columns IS 'feature columns read';
COMMENT ON COLUMN trails.run.fields IS 'how each column was encoded, one line a field';
COMMENT ON COLUMN trails.run.task IS 'binary, multiclass or regression';
COMMENT ON COLUMN trails.run.metric IS 'what candidates were compared by';
COMMENT ON COLUMN trails.run.architecture IS 'hidden widths of the best network; linear when the linear floor won';
COMMENT ON COLUMN trails.run.members IS 'networks whose outputs the model averages';
COMMENT ON COLUMN trails.run.valid IS 'metric of the model on the validation rows';
COMMENT ON COLUMN trails.run.test IS 'metric of the model on the test rows; NULL without them';
COMMENT ON COLUMN trails.run.floor IS 'metric of a linear model on the test rows (on the validation rows without them)';
COMMENT ON COLUMN trails.run.floor_valid IS 'metric of a linear model on the validation rows';
COMMENT ON COLUMN trails.run.candidates_scored IS 'candidates scored in the filtering phase; 0 where one was given (train)';
COMMENT ON COLUMN trails.run.candidates_trained IS 'trainings begun in the refinement phase; further seeds of a candidate count again';
COMMENT ON COLUMN trails.run.reading_seconds IS 'time to read the relation';
COMMENT ON COLUMN trails.run.encoding_seconds IS 'time to split and encode the rows';
COMMENT ON COLUMN trails.run.filtering_seconds IS 'time of the filtering phase';
COMMENT ON COLUMN trails.run.refinement_seconds IS 'time of the refinement phase';
COMMENT ON COLUMN trails.run.final_seconds IS 'time to choose the mean of finalists, look at the test rows and write the model';
COMMENT ON COLUMN trails.run.storing_seconds IS 'time to store candidates, epochs and the model';
COMMENT ON COLUMN trails.run.versions IS 'versions of the software that decide the numbers';
COMMENT ON COLUMN trails.run.model_id IS 'model that came out; it may have been dropped since';
COMMENT ON COLUMN trails.run.started_at IS 'when model_selection or train was called';

CREATE TABLE trails.step (
    run_id          bigint           NOT NULL,
    number          integer          NOT NULL,
    step            text             NOT NULL,
    models          bigint,
    epochs          double precision,
    planned_seconds double precision,
    seconds         double precision,
    PRIMARY KEY (run_id, number)
);
COMMENT ON TABLE trails.step IS 'the steps of a run, planned beside actual';
COMMENT ON COLUMN trails.step.run_id IS 'run that took it';
COMMENT ON COLUMN trails.step.number IS 'position within the run, from 0';
COMMENT ON COLUMN trails.step.step IS 'what is done: reading, encoding, placement, filtering, floor, calibration, rung 1, rung 2, ..., seeds, final training, judging, storing, logging';
COMMENT ON COLUMN trails.step.models IS 'candidates scored or trained in it; NULL where none are or were, as in a step that was planned and not reached';
COMMENT ON COLUMN trails.step.epochs IS 'that one of them has behind it at its end, on average; NULL where none is or was trained';
COMMENT ON COLUMN trails.step.planned_seconds IS 'wall time it was to take; NULL for what was over before the plan';
COMMENT ON COLUMN trails.step.seconds IS 'wall time it took; NULL where it was planned and not reached';

CREATE TABLE trails.candidate (
    run_id       bigint           NOT NULL,
    number       integer          NOT NULL,
    architecture text             NOT NULL,
    rank         integer          NOT NULL,
    score        double precision,
    params       bigint           NOT NULL,
    dropout      double precision NOT NULL,
    seed         bigint           NOT NULL,
    rung         integer,
    epochs       double precision NOT NULL,
    metric       double precision,
    seconds      double precision NOT NULL,
    PRIMARY KEY (run_id, number)
);
COMMENT ON TABLE trails.candidate IS 'the candidates that a run trained, every further seed of one, and of those that it only scored the best (option keep_candidates)';
COMMENT ON COLUMN trails.candidate.run_id IS 'run that scored it';
COMMENT ON COLUMN trails.candidate.number IS 'position within the run, from 0; trails.epoch refers to it';
COMMENT ON COLUMN trails.candidate.architecture IS 'hidden widths, input side first, joined by -';
COMMENT ON COLUMN trails.candidate.rank IS 'place after the filtering phase, from 1: by the mean rank of its scores, the best first; with tfmem random in a random order';
COMMENT ON COLUMN trails.candidate.score IS 'training-free score (TFMEM); trails.tfmems says whether higher or lower is better; NULL when it is not valid';
COMMENT ON COLUMN trails.candidate.params IS 'trainable numbers outside the embedding table';
COMMENT ON COLUMN trails.candidate.dropout IS 'dropout rate drawn for its training';
COMMENT ON COLUMN trails.candidate.seed IS 'seed of its initial weights and data order, 64 bits, written as a signed number';
COMMENT ON COLUMN trails.candidate.rung IS 'last rung it was trained in, from 0; NULL when it was not trained';
COMMENT ON COLUMN trails.candidate.epochs IS 'epochs trained in all, may be a fraction';
COMMENT ON COLUMN trails.candidate.metric IS 'best metric on the validation rows; NULL when it was not trained';
COMMENT ON COLUMN trails.candidate.seconds IS 'training time on one thread';

CREATE TABLE trails.epoch (
    run_id     bigint           NOT NULL,
    number     integer          NOT NULL,
    candidate  integer          NOT NULL,
    rung       integer          NOT NULL,
    epoch      double precision NOT NULL,
    train_loss double precision,
    metric     double precision,
    seconds    double precision NOT NULL,
    PRIMARY KEY (run_id, number)
);
COMMENT ON TABLE trails.epoch IS 'every evaluation of every trained candidate: its learning curve';
COMMENT ON COLUMN trails.epoch.run_id IS 'run that trained the candidate';
COMMENT ON COLUMN trails.epoch.number IS 'position within the run, from 0';
COMMENT ON COLUMN trails.epoch.candidate IS 'candidate.number within the run';
COMMENT ON COLUMN trails.epoch.rung IS 'rung of the refinement phase, from 0';
COMMENT ON COLUMN trails.epoch.epoch IS 'passes over the training rows so far, may be a fraction';
COMMENT ON COLUMN trails.epoch.train_loss IS 'mean training loss since the evaluation before';
COMMENT ON COLUMN trails.epoch.metric IS 'metric on the validation rows';
COMMENT ON COLUMN trails.epoch.seconds IS 'when, in seconds since the run began';

CREATE TABLE trails.model (
    model_id     bigint           PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner        regrole          NOT NULL,
    readers      regrole[]        NOT NULL DEFAULT '{}',
    name         name             NOT NULL CHECK (name <> ''),
    source       text             NOT NULL,
    source_oid   oid              NOT NULL,
    target       name             NOT NULL,
    task         text             NOT NULL,
    architecture text             NOT NULL,
    members      integer          NOT NULL,
    metric       text             NOT NULL,
    valid        double precision,
    test         double precision,
    floor        double precision,
    bytes        bigint           NOT NULL,
    run_id       bigint           NOT NULL,
    features     name[]           NOT NULL,
    split        name,
    group_by     name,
    last_train   bigint,
    last_valid   bigint,
    created_at   timestamptz      NOT NULL,
    parts_seal   uuid             NOT NULL,
    seal         uuid
);
CREATE INDEX model_name_owner ON trails.model (name, owner);
COMMENT ON TABLE trails.model IS 'trained models; several of one owner and name are its versions, the newest (largest model_id) serves';
COMMENT ON COLUMN trails.model.model_id IS 'number of the model';
COMMENT ON COLUMN trails.model.owner IS 'role that may change, grant and drop the model';
COMMENT ON COLUMN trails.model.readers IS 'roles that may predict with it besides the owner; 0, shown as -, stands for everybody (PUBLIC)';
COMMENT ON COLUMN trails.model.name IS 'name to predict with';
COMMENT ON COLUMN trails.model.source IS 'relation it was trained on, with its schema, as it was called then';
COMMENT ON COLUMN trails.model.source_oid IS 'oid of the relation it was trained on';
COMMENT ON COLUMN trails.model.target IS 'column it predicts';
COMMENT ON COLUMN trails.model.task IS 'binary, multiclass or regression';
COMMENT ON COLUMN trails.model.architecture IS 'hidden widths of its best network; linear for a linear model';
COMMENT ON COLUMN trails.model.members IS 'networks whose outputs it averages';
COMMENT ON COLUMN trails.model.metric IS 'what it was chosen by';
COMMENT ON COLUMN trails.model.valid IS 'metric on the validation rows';
COMMENT ON COLUMN trails.model.test IS 'metric on the test rows; NULL without them';
COMMENT ON COLUMN trails.model.floor IS 'metric of a linear model on the same rows';
COMMENT ON COLUMN trails.model.bytes IS 'size of the stored model';
COMMENT ON COLUMN trails.model.run_id IS 'run that made it; it may have been forgotten since';
COMMENT ON COLUMN trails.model.features IS 'columns that were read as features; what decided about the split, unless split or group_by did';
COMMENT ON COLUMN trails.model.split IS 'column whose words decided which rows were trained on';
COMMENT ON COLUMN trails.model.group_by IS 'column whose hash decided which rows were trained on';
COMMENT ON COLUMN trails.model.last_train IS 'last of the hashes, unsigned numbers kept as signed ones, whose rows were trained on; of no use with split; NULL where rows alone do not tell';
COMMENT ON COLUMN trails.model.last_valid IS 'last of the hashes whose rows were trained on or validated on; those of larger ones were for the test';
COMMENT ON COLUMN trails.model.created_at IS 'when it was stored';
COMMENT ON COLUMN trails.model.parts_seal IS '128 bits over its number and its bytes, by which a reader knows that it has the right ones';
COMMENT ON COLUMN trails.model.seal IS '128 bits over the row but owner, readers, oids, metrics and times, by which a reader knows that it is as it was written; see trails.seal_of';

CREATE TABLE trails.model_part (
    model_id bigint  NOT NULL,
    part     integer NOT NULL,
    bytes    bytea   NOT NULL,
    PRIMARY KEY (model_id, part)
);
-- Weights do not compress: storing them as they are saves the attempt.
ALTER TABLE trails.model_part ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE trails.model_part IS 'the bytes of each model, in parts of at most 16 MB';
COMMENT ON COLUMN trails.model_part.model_id IS 'model it belongs to';
COMMENT ON COLUMN trails.model_part.part IS 'position within the model, from 0';
COMMENT ON COLUMN trails.model_part.bytes IS 'the part; all parts in order are the model, versioned and checksummed';

CREATE TABLE trails.search_space (
    space_id   bigint    PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       name      NOT NULL CHECK (name <> ''),
    kind       text      NOT NULL DEFAULT 'mlp' CHECK (kind = 'mlp'),
    widths     integer[] NOT NULL,
    min_layers integer   NOT NULL,
    max_layers integer   NOT NULL,
    owner      regrole,
    UNIQUE NULLS NOT DISTINCT (name, owner)
);
COMMENT ON TABLE trails.search_space IS 'architecture spaces that model_selection can search; see add_search_space';
COMMENT ON COLUMN trails.search_space.space_id IS 'number of the space';
COMMENT ON COLUMN trails.search_space.name IS 'name to give to model_selection';
COMMENT ON COLUMN trails.search_space.kind IS 'kind of network: mlp, a multi-layer perceptron';
COMMENT ON COLUMN trails.search_space.widths IS 'units a hidden layer may have, ascending';
COMMENT ON COLUMN trails.search_space.min_layers IS 'fewest hidden layers';
COMMENT ON COLUMN trails.search_space.max_layers IS 'most hidden layers';
COMMENT ON COLUMN trails.search_space.owner IS 'role that added it; NULL for a built-in one, which everybody may use';

INSERT INTO trails.search_space (name, widths, min_layers, max_layers) VALUES
    ('tabular', '{16,32,64,96,128,192,256,384}', 1, 4),
    ('mlp20', '{8,16,24,32,48,64,80,96,112,128,144,160,176,192,208,224,240,256,384,512}', 4, 4),
    ('mlp10', '{8,16,32,48,96,112,144,176,240,384}', 4, 4);

-- Intermediates. Durable is what cannot be computed again: the encoded rows, the parameters of
-- logged epochs, and what says what they are. The rest is a cache: UNLOGGED, emptied by a crash,
-- left out of dumps.

CREATE TABLE trails.dataset (
    dataset_id      bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner           regrole     NOT NULL,
    source          text        NOT NULL,
    source_oid      oid         NOT NULL,
    target          name        NOT NULL,
    key             name,
    sample          bigint,
    columns         name[]      NOT NULL,
    rows            bigint      NOT NULL,
    categorical     integer     NOT NULL,
    numeric         integer     NOT NULL,
    source_hash     text        NOT NULL,
    fingerprint     text        NOT NULL,
    encoder         text        NOT NULL,
    features        text        NOT NULL,
    split           boolean     NOT NULL,
    intermediate_id bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    seal            uuid
);
CREATE INDEX dataset_fingerprint ON trails.dataset (fingerprint);
COMMENT ON TABLE trails.dataset IS 'rows that intermediates are of, as they were when they were logged';
COMMENT ON COLUMN trails.dataset.dataset_id IS 'number of the data set';
COMMENT ON COLUMN trails.dataset.owner IS 'role that logged it';
COMMENT ON COLUMN trails.dataset.source IS 'relation that was read, with its schema, as it was called then; who may SELECT from it may read what was logged';
COMMENT ON COLUMN trails.dataset.source_oid IS 'oid of the relation that was read';
COMMENT ON COLUMN trails.dataset.target IS 'column that the model predicts';
COMMENT ON COLUMN trails.dataset.key IS 'column that names a row to people; NULL for none';
COMMENT ON COLUMN trails.dataset.sample IS 'rows that were asked for; NULL for all';
COMMENT ON COLUMN trails.dataset.columns IS 'columns that were read, target, key and what decides about the split among them';
COMMENT ON COLUMN trails.dataset.rows IS 'rows logged';
COMMENT ON COLUMN trails.dataset.categorical IS 'encoded ids of a row';
COMMENT ON COLUMN trails.dataset.numeric IS 'encoded numbers of a row';
COMMENT ON COLUMN trails.dataset.source_hash IS '32 hex digits over the encoded rows, whatever their order';
COMMENT ON COLUMN trails.dataset.fingerprint IS '32 hex digits over the encoded rows, in their order';
COMMENT ON COLUMN trails.dataset.encoder IS '32 hex digits over which columns are encoded, and how';
COMMENT ON COLUMN trails.dataset.features IS '32 hex digits over the encoded rows without label and key, in their order; with an equal encoder they tell equal rows';
COMMENT ON COLUMN trails.dataset.split IS 'whether it is known which part of the split each row is in';
COMMENT ON COLUMN trails.dataset.intermediate_id IS 'the encoded rows, in trails.intermediate';
COMMENT ON COLUMN trails.dataset.created_at IS 'when it was logged';
COMMENT ON COLUMN trails.dataset.seal IS '128 bits over the row but owner, oid and time, as in trails.model';

CREATE TABLE trails.logged (
    logged_id  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner      regrole     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('model', 'pipeline', 'foreign')),
    name       name,
    model_id   bigint      UNIQUE,
    dataset_id bigint,
    pinned     boolean     NOT NULL DEFAULT false,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    labels     bigint      NOT NULL DEFAULT 0,
    seal       uuid,
    UNIQUE (owner, name),
    CHECK ((kind = 'model') = (model_id IS NOT NULL) AND (kind = 'model') = (name IS NULL))
);
CREATE INDEX logged_dataset ON trails.logged (dataset_id);
COMMENT ON TABLE trails.logged IS 'models, pipelines and models of other systems whose intermediates can be asked for';
COMMENT ON COLUMN trails.logged.logged_id IS 'number of what was logged';
COMMENT ON COLUMN trails.logged.owner IS 'role that logged it';
COMMENT ON COLUMN trails.logged.kind IS 'model, pipeline or foreign';
COMMENT ON COLUMN trails.logged.name IS 'name of a pipeline or foreign model; NULL for a model, whose name is in trails.model';
COMMENT ON COLUMN trails.logged.model_id IS 'the model; NULL for a pipeline or foreign model';
COMMENT ON COLUMN trails.logged.dataset_id IS 'rows that a model was logged with';
COMMENT ON COLUMN trails.logged.pinned IS 'whether expire leaves it alone, and what it has in the cache';
COMMENT ON COLUMN trails.logged.expires_at IS 'when expire may drop it; NULL for never';
COMMENT ON COLUMN trails.logged.created_at IS 'when it was logged first';
COMMENT ON COLUMN trails.logged.labels IS 'rows of it in trails.foreign_label';
COMMENT ON COLUMN trails.logged.seal IS '128 bits over the row but owner, pin and times, as in trails.model';

CREATE TABLE trails.snapshot (
    logged_id  bigint           NOT NULL,
    epoch      integer          NOT NULL,
    passes     double precision,
    train_loss double precision,
    valid      double precision,
    bytes      bigint           NOT NULL,
    seal       uuid,
    PRIMARY KEY (logged_id, epoch)
);
COMMENT ON TABLE trails.snapshot IS 'epochs whose parameters are kept, so that every layer can be computed again';
COMMENT ON COLUMN trails.snapshot.logged_id IS 'what was logged';
COMMENT ON COLUMN trails.snapshot.epoch IS 'number of the epoch: 0 for the model that was kept, then those of its training that were logged, in their order';
COMMENT ON COLUMN trails.snapshot.passes IS 'passes over the training rows that were behind it; NULL for epoch 0';
COMMENT ON COLUMN trails.snapshot.train_loss IS 'mean training loss since the logged epoch before; NULL for epoch 0';
COMMENT ON COLUMN trails.snapshot.valid IS 'metric on the validation rows; NULL where it is not known';
COMMENT ON COLUMN trails.snapshot.bytes IS 'size of its parameters; 0 where they are the model''s own';
COMMENT ON COLUMN trails.snapshot.seal IS '128 bits over what was logged, epoch and parameters, by which a reader knows that it has the right ones; NULL where they are the model''s own';

CREATE TABLE trails.snapshot_part (
    logged_id bigint  NOT NULL,
    epoch     integer NOT NULL,
    part      integer NOT NULL,
    bytes     bytea   NOT NULL,
    PRIMARY KEY (logged_id, epoch, part)
);
ALTER TABLE trails.snapshot_part ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE trails.snapshot_part IS 'the parameters of logged epochs, in parts of at most 16 MB';
COMMENT ON COLUMN trails.snapshot_part.logged_id IS 'what was logged';
COMMENT ON COLUMN trails.snapshot_part.epoch IS 'epoch whose parameters they are';
COMMENT ON COLUMN trails.snapshot_part.part IS 'position, from 0';
COMMENT ON COLUMN trails.snapshot_part.bytes IS 'the part; all parts in order are a model, versioned and checksummed';

CREATE TABLE trails.pipeline_stage (
    logged_id bigint           NOT NULL,
    stage     integer          NOT NULL,
    query     text             NOT NULL,
    columns   text[]           NOT NULL,
    types     text[]           NOT NULL,
    settings  text[]           NOT NULL,
    seconds   double precision NOT NULL CHECK (seconds >= 0 AND seconds < 'infinity'),
    seal      uuid,
    PRIMARY KEY (logged_id, stage)
);
COMMENT ON TABLE trails.pipeline_stage IS 'the stages of logged pipelines, so that each can be computed again from the one before it';
COMMENT ON COLUMN trails.pipeline_stage.logged_id IS 'the pipeline, in trails.logged';
COMMENT ON COLUMN trails.pipeline_stage.stage IS 'number of the stage; 0 for the source';
COMMENT ON COLUMN trails.pipeline_stage.query IS 'query over $input, the rows of the stage before; of stage 0 the relation that was read, with its schema, as it was called then';
COMMENT ON COLUMN trails.pipeline_stage.columns IS 'its columns but row_id';
COMMENT ON COLUMN trails.pipeline_stage.types IS 'their types';
COMMENT ON COLUMN trails.pipeline_stage.settings IS 'search_path, TimeZone, DateStyle, IntervalStyle and extra_float_digits when it was logged, under which its query runs';
COMMENT ON COLUMN trails.pipeline_stage.seconds IS 'wall time that its query took when it was logged, or reading the source';
COMMENT ON COLUMN trails.pipeline_stage.seal IS '128 bits over the row but that time, as in trails.model';

CREATE TABLE trails.intermediate (
    intermediate_id bigint    PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    logged_id       bigint,
    epoch           integer   NOT NULL,
    layer           text      NOT NULL,
    position        integer   NOT NULL,
    shape           integer[] NOT NULL,
    rows            bigint    NOT NULL,
    scheme          text      NOT NULL,
    seal            uuid,
    UNIQUE (logged_id, epoch, layer)
);
COMMENT ON TABLE trails.intermediate IS 'layers, stages and encoded rows: what has columns and rows and can be stored';
COMMENT ON COLUMN trails.intermediate.intermediate_id IS 'number of the intermediate; another scheme makes another number';
COMMENT ON COLUMN trails.intermediate.logged_id IS 'what was logged; NULL for the encoded rows of a data set';
COMMENT ON COLUMN trails.intermediate.epoch IS 'epoch whose parameters it is computed with, in trails.snapshot; 0 for the model that was kept';
COMMENT ON COLUMN trails.intermediate.layer IS 'layer of a model, or stage of a pipeline';
COMMENT ON COLUMN trails.intermediate.position IS 'position in the pass that computes it, from 0';
COMMENT ON COLUMN trails.intermediate.shape IS 'channels, height and width as computed; their product is the number of columns';
COMMENT ON COLUMN trails.intermediate.rows IS 'rows';
COMMENT ON COLUMN trails.intermediate.scheme IS 'how its values are stored, and what they are read back as: f32, f16, q8, kbit(k), threshold(p), pool(s), pool(s, max), stats; encoded for the rows of a data set, exact for the stages of a pipeline';
COMMENT ON COLUMN trails.intermediate.seal IS '128 bits over the row, as in trails.model';

-- One sequence for both shelves: a number names one partition.
CREATE SEQUENCE trails.partition_id;

CREATE TABLE trails.partition (
    partition_id bigint   PRIMARY KEY,
    columns      integer  NOT NULL,
    bytes        bytea    NOT NULL,
    needs        bigint[] NOT NULL
);
ALTER TABLE trails.partition ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX partition_needs ON trails.partition USING gin (needs) WITH (fastupdate = off)
    WHERE needs <> '{}';
COMMENT ON TABLE trails.partition IS 'the durable shelf: column chunks of 1,000 rows and at most 256 columns, of what cannot be computed again';
COMMENT ON COLUMN trails.partition.partition_id IS 'number of the partition, on either shelf';
COMMENT ON COLUMN trails.partition.columns IS 'columns';
COMMENT ON COLUMN trails.partition.bytes IS 'directory and chunks, versioned and checksummed';
COMMENT ON COLUMN trails.partition.needs IS 'other partitions of the shelf whose chunks it refers to';

CREATE TABLE trails.row_block (
    intermediate_id bigint  NOT NULL,
    first_column    integer NOT NULL,
    block           integer NOT NULL,
    partition_id    bigint  NOT NULL,
    seal            uuid    NOT NULL
);
-- Not unique: of two sessions that store the same at once neither waits for the other.
CREATE INDEX row_block_place ON trails.row_block (intermediate_id, first_column, block);
CREATE INDEX row_block_partition ON trails.row_block (partition_id);
COMMENT ON TABLE trails.row_block IS 'the durable shelf: where 1,000 rows of an intermediate''s columns are';
COMMENT ON COLUMN trails.row_block.intermediate_id IS 'intermediate';
COMMENT ON COLUMN trails.row_block.first_column IS 'first of at most 256 columns, from 0';
COMMENT ON COLUMN trails.row_block.block IS 'number of the 1,000 rows, from 0';
COMMENT ON COLUMN trails.row_block.partition_id IS 'partition that has them; several blocks may have one';
COMMENT ON COLUMN trails.row_block.seal IS '128 bits over the place of the block and the contents of its partition, by which a reader knows that it has the right one';

CREATE TABLE trails.chunk (
    hash          uuid    NOT NULL,
    partition_id  bigint  NOT NULL,
    column_number integer NOT NULL
);
CREATE INDEX chunk_hash ON trails.chunk (hash);
COMMENT ON TABLE trails.chunk IS 'the durable shelf: finds chunks that are stored already';
COMMENT ON COLUMN trails.chunk.hash IS '128 bits over the chunk''s elements; of two chunks with one hash the elements are compared';
COMMENT ON COLUMN trails.chunk.partition_id IS 'partition that has it';
COMMENT ON COLUMN trails.chunk.column_number IS 'its column there, from 0; -1 for the partition as a whole';

CREATE UNLOGGED TABLE trails.cached_partition (
    partition_id bigint   PRIMARY KEY,
    columns      integer  NOT NULL,
    bytes        bytea    NOT NULL,
    needs        bigint[] NOT NULL
);
ALTER TABLE trails.cached_partition ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX cached_partition_needs ON trails.cached_partition USING gin (needs) WITH (fastupdate = off)
    WHERE needs <> '{}';
COMMENT ON TABLE trails.cached_partition IS 'the cache: as trails.partition, of what can be computed again';
COMMENT ON COLUMN trails.cached_partition.partition_id IS 'number of the partition, on either shelf';
COMMENT ON COLUMN trails.cached_partition.columns IS 'columns';
COMMENT ON COLUMN trails.cached_partition.bytes IS 'directory and chunks, versioned and checksummed';
COMMENT ON COLUMN trails.cached_partition.needs IS 'other partitions of the shelf whose chunks it refers to';

CREATE UNLOGGED TABLE trails.cached_block (
    intermediate_id bigint  NOT NULL,
    first_column    integer NOT NULL,
    block           integer NOT NULL,
    partition_id    bigint  NOT NULL,
    seal            uuid    NOT NULL
);
CREATE INDEX cached_block_place ON trails.cached_block (intermediate_id, first_column, block);
CREATE INDEX cached_block_partition ON trails.cached_block (partition_id);
COMMENT ON TABLE trails.cached_block IS 'the cache: as trails.row_block';
COMMENT ON COLUMN trails.cached_block.intermediate_id IS 'intermediate';
COMMENT ON COLUMN trails.cached_block.first_column IS 'first of at most 256 columns, from 0';
COMMENT ON COLUMN trails.cached_block.block IS 'number of the 1,000 rows, from 0';
COMMENT ON COLUMN trails.cached_block.partition_id IS 'partition that has them; several blocks may have one';
COMMENT ON COLUMN trails.cached_block.seal IS 'as in trails.row_block';

CREATE UNLOGGED TABLE trails.cached_chunk (
    hash          uuid    NOT NULL,
    partition_id  bigint  NOT NULL,
    column_number integer NOT NULL
);
CREATE INDEX cached_chunk_hash ON trails.cached_chunk (hash);
COMMENT ON TABLE trails.cached_chunk IS 'the cache: as trails.chunk';
COMMENT ON COLUMN trails.cached_chunk.hash IS '128 bits over the chunk''s elements; of two chunks with one hash the elements are compared';
COMMENT ON COLUMN trails.cached_chunk.partition_id IS 'partition that has it';
COMMENT ON COLUMN trails.cached_chunk.column_number IS 'its column there, from 0; -1 for the partition as a whole';

CREATE UNLOGGED TABLE trails.cached_statistics (
    intermediate_id bigint  NOT NULL,
    first_column    integer NOT NULL,
    bytes           bytea   NOT NULL,
    PRIMARY KEY (intermediate_id, first_column)
);
ALTER TABLE trails.cached_statistics ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE trails.cached_statistics IS 'the cache: statistics, largest rows and quantisers of an intermediate''s columns';
COMMENT ON COLUMN trails.cached_statistics.intermediate_id IS 'intermediate';
COMMENT ON COLUMN trails.cached_statistics.first_column IS 'first of at most 256 columns, from 0';
COMMENT ON COLUMN trails.cached_statistics.bytes IS 'what is known of the columns, versioned and checksummed';

-- Of activations that were computed elsewhere nothing is a cache.
CREATE TABLE trails.foreign_statistics (
    intermediate_id bigint  NOT NULL,
    first_column    integer NOT NULL,
    bytes           bytea   NOT NULL,
    PRIMARY KEY (intermediate_id, first_column)
);
ALTER TABLE trails.foreign_statistics ALTER COLUMN bytes SET STORAGE EXTERNAL;
COMMENT ON TABLE trails.foreign_statistics IS 'statistics, largest rows and quantisers of a foreign layer''s columns, which cannot be made again';
COMMENT ON COLUMN trails.foreign_statistics.intermediate_id IS 'intermediate';
COMMENT ON COLUMN trails.foreign_statistics.first_column IS 'first of at most 256 columns, from 0';
COMMENT ON COLUMN trails.foreign_statistics.bytes IS 'what is known of the columns, versioned and checksummed';

CREATE TABLE trails.foreign_label (
    logged_id bigint NOT NULL,
    row_id    bigint NOT NULL,
    label     text   NOT NULL,
    seal      uuid,
    PRIMARY KEY (logged_id, row_id)
);
COMMENT ON TABLE trails.foreign_label IS 'labels of a foreign model''s rows';
COMMENT ON COLUMN trails.foreign_label.logged_id IS 'what was logged';
COMMENT ON COLUMN trails.foreign_label.row_id IS 'id of the row, the same in all layers';
COMMENT ON COLUMN trails.foreign_label.label IS 'its label';
COMMENT ON COLUMN trails.foreign_label.seal IS '128 bits over the row, as in trails.model';

CREATE UNLOGGED TABLE trails.query_count (
    intermediate_id bigint           NOT NULL,
    first_column    integer          NOT NULL,
    queries         double precision NOT NULL CHECK (queries >= 0 AND queries < 'infinity'),
    counted_at      timestamptz      NOT NULL CHECK (pg_catalog.isfinite(counted_at))
);
CREATE INDEX query_count_place ON trails.query_count (intermediate_id, first_column);
COMMENT ON TABLE trails.query_count IS 'the cache: queries of an intermediate''s columns; rows are only added, so that no reader waits for another, and summed up by collect_garbage';
COMMENT ON COLUMN trails.query_count.intermediate_id IS 'intermediate';
COMMENT ON COLUMN trails.query_count.first_column IS 'first of at most 256 columns, from 0';
COMMENT ON COLUMN trails.query_count.queries IS 'queries; one of a part counts in part';
COMMENT ON COLUMN trails.query_count.counted_at IS 'when; they count half after each 7 days';

CREATE UNLOGGED TABLE trails.cost_rate (
    rate    text             PRIMARY KEY,
    seconds double precision NOT NULL,
    samples double precision NOT NULL
);
COMMENT ON TABLE trails.cost_rate IS 'the cache: what reading and computing intermediates was measured to take on this server';
COMMENT ON COLUMN trails.cost_rate.rate IS 'unit of work: of READ read_query (a group of columns looked for), slice, byte and decoded_SCHEME (a value); of RERUN rerun_query (a run begun), input_block, input_value, flop, given_value and quantised_SCHEME (a value)';
COMMENT ON COLUMN trails.cost_rate.seconds IS 'seconds a unit';
COMMENT ON COLUMN trails.cost_rate.samples IS 'measurements behind it; one that several rates share counts in part for each';

CREATE UNLOGGED TABLE trails.stage_rate (
    intermediate_id bigint           PRIMARY KEY,
    query_seconds   double precision NOT NULL,
    block_seconds   double precision NOT NULL,
    column_seconds  double precision NOT NULL,
    reads           bigint           NOT NULL,
    run_seconds     double precision NOT NULL,
    runs            bigint           NOT NULL
);
COMMENT ON TABLE trails.stage_rate IS 'the cache: what reading and running stages of pipelines was measured to take on this server';
COMMENT ON COLUMN trails.stage_rate.intermediate_id IS 'the stage; 0 for stages in general, by which those are judged that were never read';
COMMENT ON COLUMN trails.stage_rate.query_seconds IS 'seconds that each READ takes';
COMMENT ON COLUMN trails.stage_rate.block_seconds IS 'seconds that each block of 1,000 rows takes beside';
COMMENT ON COLUMN trails.stage_rate.column_seconds IS 'seconds that each column of a block takes beside';
COMMENT ON COLUMN trails.stage_rate.reads IS 'measurements behind these';
COMMENT ON COLUMN trails.stage_rate.run_seconds IS 'seconds that the stage''s query takes over the rows of the stage before';
COMMENT ON COLUMN trails.stage_rate.runs IS 'measurements behind that';

-- Seals of the rows that say what is stored. In UTF-8, so that a dump may be restored in another
-- encoding; without what a restore or ALTER ROLE changes, and without what is no part of an answer.

CREATE FUNCTION trails.seal_of_text(content text) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(pg_catalog.convert_to(content,
    CASE pg_catalog.getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END)), 1, 16), 'hex')::uuid;
COMMENT ON FUNCTION trails.seal_of_text IS '128 bits of the SHA-256 of a text';

CREATE FUNCTION trails.seal_of(m trails.model) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((m).model_id, (m).name, (m).source, (m).target, (m).task,
    (m).architecture, (m).members, (m).metric, (m).bytes, (m).run_id, (m).features, (m).split,
    (m).group_by, (m).last_train, (m).last_valid, (m).parts_seal)::text);
COMMENT ON FUNCTION trails.seal_of(trails.model) IS 'what the row''s seal is where it is as it was written';

CREATE FUNCTION trails.seal_of(d trails.dataset) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((d).dataset_id, (d).source, (d).target, (d).key, (d).sample,
    (d).columns, (d).rows, (d).categorical, (d).numeric, (d).source_hash, (d).fingerprint,
    (d).encoder, (d).features, (d).split, (d).intermediate_id)::text);
COMMENT ON FUNCTION trails.seal_of(trails.dataset) IS 'what the row''s seal is where it is as it was written';

CREATE FUNCTION trails.seal_of(l trails.logged) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((l).logged_id, (l).kind, (l).name, (l).model_id, (l).dataset_id,
    (l).labels)::text);
COMMENT ON FUNCTION trails.seal_of(trails.logged) IS 'what the row''s seal is where it is as it was written';

CREATE FUNCTION trails.seal_of(s trails.pipeline_stage) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((s).logged_id, (s).stage, (s).query, (s).columns, (s).types,
    (s).settings)::text);
COMMENT ON FUNCTION trails.seal_of(trails.pipeline_stage) IS 'what the row''s seal is where it is as it was written';

CREATE FUNCTION trails.seal_of(i trails.intermediate) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((i).intermediate_id, (i).logged_id, (i).epoch, (i).layer,
    (i).position, (i).shape, (i).rows, (i).scheme)::text);
COMMENT ON FUNCTION trails.seal_of(trails.intermediate) IS 'what the row''s seal is where it is as it was written';

CREATE FUNCTION trails.seal_of(f trails.foreign_label) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN trails.seal_of_text(ROW((f).logged_id, (f).row_id, (f).label)::text);
COMMENT ON FUNCTION trails.seal_of(trails.foreign_label) IS 'what the row''s seal is where it is as it was written';

SELECT pg_catalog.pg_extension_config_dump('trails.run', '');
SELECT pg_catalog.pg_extension_config_dump('trails.run_run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.step', '');
SELECT pg_catalog.pg_extension_config_dump('trails.candidate', '');
SELECT pg_catalog.pg_extension_config_dump('trails.epoch', '');
SELECT pg_catalog.pg_extension_config_dump('trails.model', '');
SELECT pg_catalog.pg_extension_config_dump('trails.model_model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.model_part', '');
SELECT pg_catalog.pg_extension_config_dump('trails.search_space', 'WHERE owner IS NOT NULL');
SELECT pg_catalog.pg_extension_config_dump('trails.search_space_space_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.dataset', '');
SELECT pg_catalog.pg_extension_config_dump('trails.dataset_dataset_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.logged', '');
SELECT pg_catalog.pg_extension_config_dump('trails.logged_logged_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.snapshot', '');
SELECT pg_catalog.pg_extension_config_dump('trails.snapshot_part', '');
SELECT pg_catalog.pg_extension_config_dump('trails.pipeline_stage', '');
SELECT pg_catalog.pg_extension_config_dump('trails.intermediate', '');
SELECT pg_catalog.pg_extension_config_dump('trails.intermediate_intermediate_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('trails.partition_id', '');
SELECT pg_catalog.pg_extension_config_dump('trails.partition', '');
SELECT pg_catalog.pg_extension_config_dump('trails.row_block', '');
SELECT pg_catalog.pg_extension_config_dump('trails.chunk', '');
SELECT pg_catalog.pg_extension_config_dump('trails.foreign_statistics', '');
SELECT pg_catalog.pg_extension_config_dump('trails.foreign_label', '');

-- Rights: everybody may look, and sees what is theirs.

ALTER TABLE trails.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.step ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.candidate ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.epoch ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.model_part ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.search_space ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON trails.run, trails.step, trails.candidate, trails.epoch, trails.model,
    trails.model_part, trails.search_space TO PUBLIC;

CREATE POLICY own ON trails.run FOR SELECT
    USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own ON trails.run IS 'runs of the roles whose privileges the caller has';

CREATE POLICY own ON trails.step FOR SELECT
    USING (EXISTS (SELECT FROM trails.run WHERE run.run_id = step.run_id));
COMMENT ON POLICY own ON trails.step IS 'steps of the runs that the caller sees';

CREATE POLICY own ON trails.candidate FOR SELECT
    USING (EXISTS (SELECT FROM trails.run WHERE run.run_id = candidate.run_id));
COMMENT ON POLICY own ON trails.candidate IS 'candidates of the runs that the caller sees';

CREATE POLICY own ON trails.epoch FOR SELECT
    USING (EXISTS (SELECT FROM trails.run WHERE run.run_id = epoch.run_id));
COMMENT ON POLICY own ON trails.epoch IS 'epochs of the runs that the caller sees';

CREATE POLICY own_or_granted ON trails.model FOR SELECT
    USING (pg_catalog.pg_has_role(owner::oid, 'USAGE')
           OR 0::oid = ANY (readers::oid[])
           OR EXISTS (SELECT FROM pg_catalog.unnest(readers) AS reader
                      WHERE pg_catalog.pg_has_role(reader::oid, 'USAGE')));
COMMENT ON POLICY own_or_granted ON trails.model IS 'models that the caller owns or may predict with';

-- A grant lets a role predict; the bytes, which hold values of the training rows, stay the owner's.
CREATE POLICY own ON trails.model_part FOR SELECT
    USING (EXISTS (SELECT FROM trails.model
                   WHERE model.model_id = model_part.model_id
                         AND pg_catalog.pg_has_role(model.owner::oid, 'USAGE')));
COMMENT ON POLICY own ON trails.model_part IS 'bytes of the models that the caller owns';

CREATE POLICY own_or_built_in ON trails.search_space FOR SELECT
    USING (owner IS NULL OR pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own_or_built_in ON trails.search_space IS 'built-in spaces, and those of the roles whose privileges the caller has';

-- Nobody but the functions reads partitions, chunks and caches: they hold values of others' rows.
ALTER TABLE trails.dataset ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.logged ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.pipeline_stage ENABLE ROW LEVEL SECURITY;
ALTER TABLE trails.intermediate ENABLE ROW LEVEL SECURITY;

GRANT SELECT ON trails.dataset, trails.logged, trails.snapshot, trails.intermediate TO PUBLIC;

CREATE POLICY own ON trails.dataset FOR SELECT
    USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own ON trails.dataset IS 'data sets of the roles whose privileges the caller has';

CREATE POLICY own ON trails.logged FOR SELECT
    USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own ON trails.logged IS 'what the roles logged whose privileges the caller has';

CREATE POLICY own ON trails.snapshot FOR SELECT
    USING (EXISTS (SELECT FROM trails.logged WHERE logged.logged_id = snapshot.logged_id));
COMMENT ON POLICY own ON trails.snapshot IS 'epochs of what the caller sees in trails.logged';

CREATE POLICY own ON trails.pipeline_stage FOR SELECT
    USING (EXISTS (SELECT FROM trails.logged WHERE logged.logged_id = pipeline_stage.logged_id));
COMMENT ON POLICY own ON trails.pipeline_stage IS 'stages of what the caller sees in trails.logged';
GRANT SELECT ON trails.pipeline_stage TO PUBLIC;

CREATE POLICY own ON trails.intermediate FOR SELECT
    USING (CASE WHEN logged_id IS NULL
                THEN EXISTS (SELECT FROM trails.dataset
                             WHERE dataset.intermediate_id = intermediate.intermediate_id)
                ELSE EXISTS (SELECT FROM trails.logged
                             WHERE logged.logged_id = intermediate.logged_id) END);
COMMENT ON POLICY own ON trails.intermediate IS 'intermediates of what the caller sees in trails.logged and trails.dataset';

-- Views

CREATE VIEW trails.models WITH (security_invoker = true) AS
SELECT m.name AS model,
       pg_catalog.row_number() OVER (PARTITION BY m.owner, m.name ORDER BY m.model_id) AS version,
       m.owner, m.source, m.target, m.task, m.architecture, m.metric, m.valid, m.test, m.floor,
       m.bytes, m.run_id, m.created_at
FROM trails.model AS m;
COMMENT ON VIEW trails.models IS 'models that the caller owns or may predict with; the highest version of a name serves';
COMMENT ON COLUMN trails.models.model IS 'name to predict with';
COMMENT ON COLUMN trails.models.version IS 'counts the models of one owner and name, oldest first; dropping one closes the gap';
COMMENT ON COLUMN trails.models.owner IS 'role that may change, grant and drop the model';
COMMENT ON COLUMN trails.models.source IS 'relation it was trained on, with its schema, as it was called then';
COMMENT ON COLUMN trails.models.target IS 'column it predicts';
COMMENT ON COLUMN trails.models.task IS 'binary, multiclass or regression';
COMMENT ON COLUMN trails.models.architecture IS 'hidden widths of its best network; linear for a linear model';
COMMENT ON COLUMN trails.models.metric IS 'what it was chosen by';
COMMENT ON COLUMN trails.models.valid IS 'metric on the validation rows';
COMMENT ON COLUMN trails.models.test IS 'metric on the test rows; NULL without them';
COMMENT ON COLUMN trails.models.floor IS 'metric of a linear model on the same rows';
COMMENT ON COLUMN trails.models.bytes IS 'size of the stored model';
COMMENT ON COLUMN trails.models.run_id IS 'run that made it; it may have been forgotten since';
COMMENT ON COLUMN trails.models.created_at IS 'when it was stored';

CREATE VIEW trails.runs WITH (security_invoker = true) AS
SELECT r.run_id, r.source, r.target, r.state, r.budget, r.seconds, r.over_budget_ms, r.plan,
       r.device, m.name AS model, r.started_at
FROM trails.run AS r LEFT JOIN trails.model AS m USING (model_id);
COMMENT ON VIEW trails.runs IS 'the caller''s model selections, and trainings of one candidate, that ended well; trails.steps has their plans beside what came of them';
COMMENT ON COLUMN trails.runs.run_id IS 'number of the run';
COMMENT ON COLUMN trails.runs.source IS 'relation read, with its schema, as it was called then';
COMMENT ON COLUMN trails.runs.target IS 'column to predict';
COMMENT ON COLUMN trails.runs.state IS 'finished, or stopped before the plan was carried out (by stop_at, by a cancel under trails.on_cancel = keep, or by the budget when the plan was fixed)';
COMMENT ON COLUMN trails.runs.budget IS 'wall time the caller gave; NULL for none (train)';
COMMENT ON COLUMN trails.runs.seconds IS 'wall time taken, from the call to the stored model';
COMMENT ON COLUMN trails.runs.over_budget_ms IS 'milliseconds above the budget, 0 within it or without one';
COMMENT ON COLUMN trails.runs.plan IS 'the plan as carried out, or of a run that was stopped the one it was following: n candidates scored, k of them in the first rung, u epochs there (a fraction when the clock decided), rungs that candidates were trained in: one more than the highest rung in trails.candidates';
COMMENT ON COLUMN trails.runs.device IS 'where the phases ran: cpu; cuda, on the card; hybrid, the filtering phase on the CPU and the refinement phase on the card';
COMMENT ON COLUMN trails.runs.model IS 'the model''s present name; NULL once it is dropped';
COMMENT ON COLUMN trails.runs.started_at IS 'when model_selection or train was called';

CREATE VIEW trails.steps WITH (security_invoker = true) AS
SELECT s.run_id, s.number, s.step, s.models, s.epochs, s.planned_seconds, s.seconds
FROM trails.step AS s;
COMMENT ON VIEW trails.steps IS 'the steps of the caller''s runs, planned beside actual';
COMMENT ON COLUMN trails.steps.run_id IS 'run that took it';
COMMENT ON COLUMN trails.steps.number IS 'position within the run, from 0';
COMMENT ON COLUMN trails.steps.step IS 'what is done: reading, encoding, placement, filtering, floor, calibration, rung 1, rung 2, ..., seeds, final training, judging, storing';
COMMENT ON COLUMN trails.steps.models IS 'candidates scored or trained in it; NULL where none are or were, as in a step that was planned and not reached';
COMMENT ON COLUMN trails.steps.epochs IS 'that one of them has behind it at its end, on average; NULL where none is or was trained';
COMMENT ON COLUMN trails.steps.planned_seconds IS 'wall time it was to take; NULL for what was over before the plan';
COMMENT ON COLUMN trails.steps.seconds IS 'wall time it took; NULL where it was planned and not reached';

CREATE VIEW trails.candidates WITH (security_invoker = true) AS
SELECT c.run_id, c.architecture, c.rank, c.score, c.params, c.rung, c.epochs, c.metric, c.seconds
FROM trails.candidate AS c;
COMMENT ON VIEW trails.candidates IS 'the candidates that the caller''s runs trained, every further seed of one, and of those that they only scored the best (option keep_candidates)';
COMMENT ON COLUMN trails.candidates.run_id IS 'run that scored it';
COMMENT ON COLUMN trails.candidates.architecture IS 'hidden widths, input side first, joined by -';
COMMENT ON COLUMN trails.candidates.rank IS 'place after the filtering phase, from 1: by the mean rank of its scores, the best first; with tfmem random in a random order';
COMMENT ON COLUMN trails.candidates.score IS 'training-free score (TFMEM); trails.tfmems says whether higher or lower is better; NULL when it is not valid';
COMMENT ON COLUMN trails.candidates.params IS 'trainable numbers outside the embedding table';
COMMENT ON COLUMN trails.candidates.rung IS 'last rung it was trained in, from 0; NULL when it was not trained';
COMMENT ON COLUMN trails.candidates.epochs IS 'epochs trained in all, may be a fraction';
COMMENT ON COLUMN trails.candidates.metric IS 'best metric on the validation rows; NULL when it was not trained';
COMMENT ON COLUMN trails.candidates.seconds IS 'training time on one thread';

GRANT SELECT ON trails.models, trails.runs, trails.steps, trails.candidates TO PUBLIC;

CREATE FUNCTION trails.intermediate_rows(
    OUT model name, OUT version integer, OUT owner oid, OUT kind text, OUT epoch integer,
    OUT layer text, OUT shape integer[], OUT stored_shape integer[], OUT rows bigint,
    OUT scheme text, OUT source text, OUT key name, OUT pinned boolean, OUT expires_at timestamptz, OUT created_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'trails_intermediate_rows' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
ROWS 50;
COMMENT ON FUNCTION trails.intermediate_rows IS 'the rows of trails.intermediates';

CREATE VIEW trails.intermediates WITH (security_invoker = true) AS
SELECT i.model, i.version, i.owner::regrole AS owner, i.kind, i.epoch, i.layer, i.shape,
       i.stored_shape, i.stored_shape[1] * i.stored_shape[2] * i.stored_shape[3] AS columns, i.rows,
       i.scheme, i.source, i.key, i.pinned, i.expires_at, i.created_at
FROM trails.intermediate_rows() AS i;
COMMENT ON VIEW trails.intermediates IS 'layers that the caller logged, and those of granted models that the caller can ask for; trails.intermediate_sizes has what of one''s own is stored';
COMMENT ON COLUMN trails.intermediates.model IS 'name to ask by';
COMMENT ON COLUMN trails.intermediates.version IS 'version of the model, as in trails.models; NULL for a pipeline or foreign model';
COMMENT ON COLUMN trails.intermediates.owner IS 'role that logged it';
COMMENT ON COLUMN trails.intermediates.kind IS 'model, pipeline or foreign';
COMMENT ON COLUMN trails.intermediates.epoch IS 'epoch whose parameters it is computed with, in trails.snapshot; 0, the default of every query, for the model that was kept';
COMMENT ON COLUMN trails.intermediates.layer IS 'layer of a model, or stage of a pipeline';
COMMENT ON COLUMN trails.intermediates.shape IS 'channels, height and width as computed';
COMMENT ON COLUMN trails.intermediates.stored_shape IS 'channels, height and width as they are given out: after the scheme where that is pool(s)';
COMMENT ON COLUMN trails.intermediates.columns IS 'columns that queries can ask for: the product of stored_shape';
COMMENT ON COLUMN trails.intermediates.rows IS 'rows';
COMMENT ON COLUMN trails.intermediates.scheme IS 'how its values are stored, and what they are read back as';
COMMENT ON COLUMN trails.intermediates.source IS 'relation whose rows they are of, as it was called then; NULL for a pipeline or foreign model';
COMMENT ON COLUMN trails.intermediates.key IS 'column that names a row to people; NULL for none';
COMMENT ON COLUMN trails.intermediates.pinned IS 'whether expire leaves it alone, and what it has in the cache; NULL for who does not own it';
COMMENT ON COLUMN trails.intermediates.expires_at IS 'when expire may drop it; NULL for never, and for who does not own it';
COMMENT ON COLUMN trails.intermediates.created_at IS 'when it was logged first';

CREATE FUNCTION trails.intermediate_size_rows(
    OUT model name, OUT version integer, OUT owner oid, OUT epoch integer, OUT layer text,
    OUT stored boolean, OUT bytes bigint, OUT amortised_bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'trails_intermediate_size_rows' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
ROWS 50;
COMMENT ON FUNCTION trails.intermediate_size_rows IS 'the rows of trails.intermediate_sizes';

CREATE VIEW trails.intermediate_sizes WITH (security_invoker = true) AS
SELECT s.model, s.version, s.owner::regrole AS owner, s.epoch, s.layer, s.stored, s.bytes,
       s.amortised_bytes
FROM trails.intermediate_size_rows() AS s;
COMMENT ON VIEW trails.intermediate_sizes IS 'what the caller''s intermediates take; sums of amortised_bytes count nothing twice, and over all roles are what the store holds';
COMMENT ON COLUMN trails.intermediate_sizes.model IS 'name to ask by';
COMMENT ON COLUMN trails.intermediate_sizes.version IS 'version of the model, as in trails.models; NULL for a pipeline or foreign model';
COMMENT ON COLUMN trails.intermediate_sizes.owner IS 'role that logged it';
COMMENT ON COLUMN trails.intermediate_sizes.epoch IS 'epoch whose parameters it is computed with; NULL for the encoded rows';
COMMENT ON COLUMN trails.intermediate_sizes.layer IS 'layer or stage; rows for the encoded rows, parameters for those of an epoch';
COMMENT ON COLUMN trails.intermediate_sizes.stored IS 'whether all of its columns are stored; what is not is computed again';
COMMENT ON COLUMN trails.intermediate_sizes.bytes IS 'what it would take alone: bytes of every partition that it needs, shared or not, of an epoch''s parameters, and of a foreign layer''s statistics';
COMMENT ON COLUMN trails.intermediate_sizes.amortised_bytes IS 'the same, each partition''s divided evenly among all that need it';

GRANT SELECT ON trails.intermediates, trails.intermediate_sizes TO PUBLIC;

-- Selection

CREATE FUNCTION trails.model_selection(
    source regclass, target name, budget interval DEFAULT '1 min',
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL,
    task text DEFAULT 'auto', metric text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear', space text DEFAULT 'tabular',
    tfmem text DEFAULT 'random', refinement text DEFAULT 'sh',
    n integer DEFAULT NULL, k integer DEFAULT NULL, u integer DEFAULT NULL,
    stop_at double precision DEFAULT NULL, model_name name DEFAULT NULL,
    seed bigint DEFAULT 0, options jsonb DEFAULT NULL,
    OUT run_id bigint, OUT model name, OUT architecture text, OUT task text, OUT metric text,
    OUT valid double precision, OUT test double precision, OUT floor double precision,
    OUT candidates_scored bigint, OUT candidates_trained bigint,
    OUT seconds double precision, OUT over_budget_ms bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'trails_model_selection'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.model_selection IS
'finds, trains and stores the best model for a column of a relation, within the budget of wall time';

CREATE FUNCTION trails.train(
    source regclass, target name, architecture text, epochs double precision DEFAULT 10,
    budget interval DEFAULT NULL,
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL,
    task text DEFAULT 'auto', metric text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear',
    stop_at double precision DEFAULT NULL, model_name name DEFAULT NULL,
    seed bigint DEFAULT 0, options jsonb DEFAULT NULL,
    OUT run_id bigint, OUT model name, OUT architecture text, OUT task text, OUT metric text,
    OUT valid double precision, OUT test double precision, OUT floor double precision,
    OUT candidates_scored bigint, OUT candidates_trained bigint,
    OUT seconds double precision, OUT over_budget_ms bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'trails_train'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.train IS
'trains one candidate for so many epochs, or until the budget of wall time ends, and stores it as a model';

-- The coordinator and the refinement phase alone. plan and refine write nothing.

CREATE FUNCTION trails.coordinator(
    t_score double precision, t_train double precision, budget interval,
    space_size bigint DEFAULT 160000, max_epochs integer DEFAULT 20, ratio integer DEFAULT 100,
    eta integer DEFAULT 3, only_filter boolean DEFAULT false,
    OUT n bigint, OUT k bigint, OUT u bigint, OUT epochs bigint,
    OUT filtering_seconds double precision, OUT refinement_seconds double precision)
RETURNS record
AS 'MODULE_PATHNAME', 'trails_coordinator' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION trails.coordinator IS
'the papers'' equation: how many candidates to score and to train, and how long, when each takes t_score and an epoch t_train seconds; model_selection plans by costs that it measures, see trails.plan';

CREATE FUNCTION trails.plan(
    source regclass, target name, budget interval DEFAULT '1 min',
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL,
    task text DEFAULT 'auto', metric text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear', space text DEFAULT 'tabular',
    tfmem text DEFAULT 'random', refinement text DEFAULT 'sh',
    n integer DEFAULT NULL, k integer DEFAULT NULL, u integer DEFAULT NULL,
    stop_at double precision DEFAULT NULL, seed bigint DEFAULT 0, options jsonb DEFAULT NULL)
RETURNS TABLE (step text, models bigint, epochs double precision, seconds double precision,
               detail text)
AS 'MODULE_PATHNAME', 'trails_plan'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 12;
COMMENT ON FUNCTION trails.plan IS
'what model_selection would do with the same arguments: its steps, with the seconds that each is to take; reads the relation and measures some mini-batches, trains no candidate';

CREATE FUNCTION trails.refine(
    source regclass, target name, architectures text[], u integer DEFAULT NULL,
    budget interval DEFAULT NULL, algorithm text DEFAULT 'sh',
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL,
    task text DEFAULT 'auto', metric text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear',
    stop_at double precision DEFAULT NULL, seed bigint DEFAULT 0, options jsonb DEFAULT NULL)
RETURNS TABLE (rung integer, architecture text, epochs double precision, metric double precision,
               seconds double precision)
AS 'MODULE_PATHNAME', 'trails_refine'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION trails.refine IS
'trains the given candidates by successive halving or another algorithm and returns, for each rung and candidate, its last evaluation there; stores nothing';

-- The filtering phase alone. These functions write nothing; they are volatile, since they read the
-- relation anew each time and count their progress.

CREATE FUNCTION trails.filter_candidates(
    source regclass, target name, n integer DEFAULT NULL, k integer DEFAULT 100,
    tfmem text DEFAULT 'express_flow', sampler text DEFAULT 'whole', parts text[] DEFAULT '{}',
    budget interval DEFAULT NULL,
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL, task text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear', space text DEFAULT 'tabular',
    seed bigint DEFAULT 0, options jsonb DEFAULT NULL)
RETURNS TABLE (rank integer, architecture text, score double precision, params bigint,
               parts double precision[])
AS 'MODULE_PATHNAME', 'trails_filter_candidates'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION trails.filter_candidates IS
'scores the candidates of a search space without training them and returns the best k, with the scores named in parts';

CREATE FUNCTION trails.score(
    source regclass, target name, architecture text, tfmem text[] DEFAULT NULL,
    features name[] DEFAULT NULL, exclude name[] DEFAULT NULL,
    split name DEFAULT NULL, group_by name DEFAULT NULL, task text DEFAULT 'auto',
    categorical name[] DEFAULT NULL, numerical name[] DEFAULT NULL,
    encoding text DEFAULT 'piecewise_linear', space text DEFAULT 'tabular',
    seed bigint DEFAULT 0, options jsonb DEFAULT NULL)
RETURNS TABLE (tfmem text, score double precision)
AS 'MODULE_PATHNAME', 'trails_score'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION trails.score IS
'training-free scores of one architecture, by their definitions; NULL where a score is not valid';

CREATE FUNCTION trails.tfmem_rows(
    OUT name text, OUT direction text, OUT data text, OUT cost text, OUT whole_space boolean,
    OUT source text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'trails_tfmem_rows' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 21;
COMMENT ON FUNCTION trails.tfmem_rows IS 'the rows of trails.tfmems';

CREATE VIEW trails.tfmems WITH (security_invoker = true) AS
SELECT t.name, t.direction, t.data, t.cost, t.whole_space, t.source FROM trails.tfmem_rows() AS t;
COMMENT ON VIEW trails.tfmems IS 'training-free model evaluation metrics, the scores of the filtering phase';
COMMENT ON COLUMN trails.tfmems.name IS 'name to give to the functions';
COMMENT ON COLUMN trails.tfmems.direction IS 'higher or lower: which scores are better';
COMMENT ON COLUMN trails.tfmems.data IS 'what it looks at besides the network: nothing, rows, or rows and their target';
COMMENT ON COLUMN trails.tfmems.cost IS 'what a candidate costs by itself, in order of magnitude';
COMMENT ON COLUMN trails.tfmems.whole_space IS 'whether a whole space is scored at once, at a thousandth of that cost or less; otherwise each candidate by itself';
COMMENT ON COLUMN trails.tfmems.source IS 'where it was published';
GRANT SELECT ON trails.tfmems TO PUBLIC;

-- Prediction

CREATE FUNCTION trails.predict(model text, record record) RETURNS text
AS 'MODULE_PATHNAME', 'trails_predict' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION trails.predict IS
'the most probable class, or the number, as text; columns are matched by name; NULL for a NULL record';

CREATE FUNCTION trails.predict_number(model text, record record) RETURNS double precision
AS 'MODULE_PATHNAME', 'trails_predict_number' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION trails.predict_number IS
'the number, or for two classes the probability of the second of classes(model)';

CREATE FUNCTION trails.predict_proba(model text, record record) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'trails_predict_proba' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION trails.predict_proba IS 'the probability of each class, in the order of classes(model)';

CREATE FUNCTION trails.classes(model text) RETURNS text[]
AS 'MODULE_PATHNAME', 'trails_classes' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION trails.classes IS 'the classes that a model tells apart, as text; NULL for a regression model';

CREATE FUNCTION trails.predict_batch(model text, source regclass, key name)
RETURNS TABLE (key text, prediction text, number double precision)
AS 'MODULE_PATHNAME', 'trails_predict_batch' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000;
COMMENT ON FUNCTION trails.predict_batch IS
'predicts every row of a relation in blocks: its key, the prediction as text, and the number (regression), the probability of the second class (two classes) or of the predicted class (more)';

CREATE FUNCTION trails.evaluate(model text, source regclass)
RETURNS TABLE (metric text, value double precision, rows bigint)
AS 'MODULE_PATHNAME', 'trails_evaluate' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 3;
COMMENT ON FUNCTION trails.evaluate IS
'every metric that fits the model''s task, over all rows of a relation that has the target column';

-- Progress

CREATE FUNCTION trails.progress_rows(
    OUT pid integer, OUT role oid, OUT relation oid, OUT phase text, OUT rows_read bigint,
    OUT scored bigint, OUT trained bigint, OUT rung bigint, OUT epochs bigint,
    OUT best double precision, OUT elapsed double precision, OUT budget double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'trails_progress' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION trails.progress_rows IS
'the rows of trails.progress, times in seconds, a budget of 0 for none';

CREATE VIEW trails.progress WITH (security_invoker = true) AS
SELECT p.pid, p.role::regrole AS role, nullif(p.relation, 0)::regclass AS source, p.phase,
       p.rows_read, p.scored, p.trained, p.rung, p.epochs, p.best,
       pg_catalog.make_interval(secs => p.elapsed) AS elapsed,
       pg_catalog.make_interval(secs => nullif(p.budget, 0)) AS budget,
       CASE WHEN p.budget > 0 THEN pg_catalog.concat(
           '[', pg_catalog.rpad(pg_catalog.repeat('#', (20 * d.done)::integer), 20, '.'), '] ',
           pg_catalog.lpad((100 * d.done)::integer::text, 3), ' % ', p.phase)
           ELSE p.phase END AS bar
FROM trails.progress_rows() AS p,
     LATERAL (SELECT CASE WHEN p.budget > 0 THEN least(1, p.elapsed / p.budget) ELSE 0 END AS done)
         AS d;
COMMENT ON VIEW trails.progress IS
'calls of model_selection, train, plan, refine, filter_candidates and score that run now, in all sessions, as far as the caller may see them; watch it with \watch';
COMMENT ON COLUMN trails.progress.pid IS 'process of the session, for pg_cancel_backend';
COMMENT ON COLUMN trails.progress.role IS 'role that made the call';
COMMENT ON COLUMN trails.progress.source IS 'relation that is read';
COMMENT ON COLUMN trails.progress.phase IS 'reading, encoding, filtering, refinement, final or storing';
COMMENT ON COLUMN trails.progress.rows_read IS 'rows read so far';
COMMENT ON COLUMN trails.progress.scored IS 'candidates scored so far';
COMMENT ON COLUMN trails.progress.trained IS 'candidates trained so far';
COMMENT ON COLUMN trails.progress.rung IS 'rung that trains now, from 0';
COMMENT ON COLUMN trails.progress.epochs IS 'epochs of all candidates together';
COMMENT ON COLUMN trails.progress.best IS 'best metric on the validation rows so far';
COMMENT ON COLUMN trails.progress.elapsed IS 'wall time since the call';
COMMENT ON COLUMN trails.progress.budget IS 'wall time the caller gave; NULL for none';
COMMENT ON COLUMN trails.progress.bar IS 'the share of the budget that has passed, as text; without a budget the phase alone';
GRANT SELECT ON trails.progress TO PUBLIC;

-- Report

CREATE FUNCTION trails.report(run_id bigint) RETURNS text
AS 'MODULE_PATHNAME', 'trails_report' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION trails.report IS
'a run as one self-contained HTML page with inline SVG: best metric against time, learning curves, rungs, score against metric, where the time went';

-- Models

CREATE FUNCTION trails.drop_model(model text, version integer DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'trails_drop_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.drop_model IS 'drops a model, or one version of it; its run stays';

CREATE FUNCTION trails.rename_model(model text, new_name name) RETURNS void
AS 'MODULE_PATHNAME', 'trails_rename_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.rename_model IS 'renames a model with all its versions';

CREATE FUNCTION trails.grant_model(model text, role name) RETURNS void
AS 'MODULE_PATHNAME', 'trails_grant_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.grant_model IS
'lets a role (or public: everybody) predict with a model, its versions and those to come';

CREATE FUNCTION trails.revoke_model(model text, role name) RETURNS void
AS 'MODULE_PATHNAME', 'trails_revoke_model' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.revoke_model IS 'takes back what grant_model gave';

-- Intermediates: logging and upkeep

CREATE FUNCTION trails.log_intermediates(
    model text, epochs integer[] DEFAULT NULL, layers text[] DEFAULT NULL,
    scheme text DEFAULT NULL, source regclass DEFAULT NULL, key name DEFAULT NULL,
    sample bigint DEFAULT NULL, version integer DEFAULT NULL)
RETURNS TABLE (epoch integer, layer text, columns integer, rows bigint, scheme text,
               stored boolean, bytes bigint, seconds double precision)
AS 'MODULE_PATHNAME', 'trails_log_intermediates' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.log_intermediates IS
'keeps the encoded rows of a relation, so that every layer of a model can be asked for; makes the statistics of the layers named at the epochs named (all of them by default, none for an empty array); version: NULL for the one that serves; epochs of a training are logged by option log of trails.train';

CREATE FUNCTION trails.log_pipeline(
    name name, source regclass, stages text[], row_id name DEFAULT NULL,
    expires_after interval DEFAULT NULL)
RETURNS TABLE (stage integer, layer text, columns integer, rows bigint, stored boolean,
               bytes bigint, seconds double precision)
AS 'MODULE_PATHNAME', 'trails_log_pipeline' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.log_pipeline IS
'runs a pipeline of queries over the rows of a relation and keeps it, so that the rows of every stage can be asked for: in each query $input stands for the rows of the stage before it, with a column row_id that the result must hand on; row_id names a column of unique integers in the source, whose rows are counted without one; a WARNING tells what else than $input a query reads or which volatile functions it calls';

CREATE FUNCTION trails.drop_intermediates(model text, version integer DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME', 'trails_drop_intermediates' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.drop_intermediates IS
'drops what was logged of a model, of all versions or of one; the model stays';

CREATE FUNCTION trails.pin_intermediates(
    model text, pinned boolean DEFAULT true, version integer DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'trails_pin_intermediates' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.pin_intermediates IS
'keeps what was logged of a model, of all versions or of one, from expire, and what it has in the cache from making room';

CREATE FUNCTION trails.expire_after(
    model text, age interval, version integer DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'trails_expire_after' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.expire_after IS
'lets expire drop what was logged of a model, of all versions or of one, once so much time has passed from now; NULL takes it back';

CREATE FUNCTION trails.expire(dry_run boolean DEFAULT true)
RETURNS TABLE (model text, owner regrole, expired_at timestamptz, rows bigint, version integer)
AS 'MODULE_PATHNAME', 'trails_expire' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.expire IS
'lists what the caller logged whose time has passed and that is not pinned, and with dry_run => false drops it; version: of a model, as trails.models counts them';

CREATE FUNCTION trails.collect_garbage(OUT partitions bigint, OUT bytes bigint) RETURNS record
AS 'MODULE_PATHNAME', 'trails_collect_garbage' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.collect_garbage IS
'deletes partitions that nothing needs any longer, once no other transaction is storing any, and sums up query counts';
REVOKE EXECUTE ON FUNCTION trails.collect_garbage FROM PUBLIC;

CREATE FUNCTION trails.check_store()
RETURNS TABLE (problem text, shelf text, intermediate_id bigint, block integer,
               column_number integer, partition_id bigint, detail text)
AS 'MODULE_PATHNAME', 'trails_check_store' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.check_store IS
'reads everything that is stored of intermediates and returns a row for each inconsistency; none for a sound store';
REVOKE EXECUTE ON FUNCTION trails.check_store FROM PUBLIC;

CREATE FUNCTION trails.logged_rows(model text, version integer DEFAULT NULL)
RETURNS TABLE (row_id bigint, key text, target text, split text)
AS 'MODULE_PATHNAME', 'trails_logged_rows' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10000;
COMMENT ON FUNCTION trails.logged_rows IS
'the rows that a model was logged with: their number, from 1, by which every function names them, their key, their target, and train, valid, test or none as the model''s split has them; split is NULL where that is not known';

CREATE FUNCTION trails.log_intermediate(
    name name, layer text, row_ids bigint[], "values" real[], shape integer[] DEFAULT NULL,
    scheme text DEFAULT NULL, epoch integer DEFAULT 0)
RETURNS bigint
AS 'MODULE_PATHNAME', 'trails_log_intermediate' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.log_intermediate IS
'appends a batch of rows to a layer of a model that was trained elsewhere: values row after row, of shape {columns} or {channels,height,width}; returns the rows that the layer has';

CREATE FUNCTION trails.log_labels(name name, row_ids bigint[], labels text[]) RETURNS void
AS 'MODULE_PATHNAME', 'trails_log_labels' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.log_labels IS
'appends labels of the rows of a model that was trained elsewhere, by which diagnoses can group them as ''target''';

CREATE FUNCTION trails.source_changed(model text, version integer DEFAULT NULL) RETURNS boolean
AS 'MODULE_PATHNAME', 'trails_source_changed' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION trails.source_changed IS
'whether the rows of the relation, as the model sees them, are others than those that were logged; reads the relation';

-- Runs

CREATE FUNCTION trails.forget_runs(before timestamptz) RETURNS bigint
AS 'MODULE_PATHNAME', 'trails_forget_runs' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.forget_runs IS
'deletes the caller''s own runs that started before then, with their steps, candidates and epochs; models stay; returns how many runs';

-- Search spaces

CREATE FUNCTION trails.add_search_space(
    name name, widths integer[], min_layers integer, max_layers integer)
RETURNS void
AS 'MODULE_PATHNAME', 'trails_add_search_space' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.add_search_space IS
'adds a space of perceptrons with min_layers to max_layers hidden layers (1 to 8), each of one of the widths (1 to 4096, ascending)';

CREATE FUNCTION trails.drop_search_space(name name) RETURNS void
AS 'MODULE_PATHNAME', 'trails_drop_search_space' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.drop_search_space IS 'drops a search space that the caller added';

-- Intermediates: queries. They count how often a layer is asked for, and store what has earned it.

CREATE FUNCTION trails.get_intermediate(
    model text, layer text, columns integer[] DEFAULT NULL, rows bigint[] DEFAULT NULL,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (row_id bigint, "values" real[])
AS 'MODULE_PATHNAME', 'trails_get_intermediate' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000;
COMMENT ON FUNCTION trails.get_intermediate IS
'values of a logged model''s layer: read from the store or computed again, whichever is expected to take less time; columns in the order asked for, rows ascending, both count from 1, NULL for all and an empty array for none; version: NULL for the one that serves; a value is NULL where there is none (loss of a row without a label, NULL in a stage), NaN where it was computed as NaN';

CREATE FUNCTION trails.pipeline_rows(name text, stage integer) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'trails_pipeline_rows' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE ROWS 10000;
COMMENT ON FUNCTION trails.pipeline_rows IS
'the rows of a pipeline''s stage as they are, by ascending row_id: read from the store or computed again; called with a column definition list, as in pipeline_rows(''p'', 1) AS t(row_id bigint, a integer, b text)';

CREATE FUNCTION trails.intermediate_columns(
    model text, layer text DEFAULT NULL, epoch integer DEFAULT NULL, version integer DEFAULT NULL)
RETURNS TABLE (layer text, "column" integer, name text, feature text, dimension integer)
AS 'MODULE_PATHNAME', 'trails_intermediate_columns' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 500;
COMMENT ON FUNCTION trails.intermediate_columns IS
'the columns of a layer, or of all layers, and their names: of the embedding the feature and which dimension of its vector, of logits and prediction the class or the target that is a number, of a pipeline''s stage its columns; NULL for those that have none';

CREATE FUNCTION trails.explain_intermediate(
    model text, layer text, columns integer[] DEFAULT NULL, rows bigint[] DEFAULT NULL,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (first_column integer, last_column integer, asked integer, chosen text, reason text,
               stored boolean, bytes bigint, blocks bigint, slices bigint,
               read_ms double precision, rerun_ms double precision, queries double precision,
               counts double precision, gamma double precision, materialise boolean,
               materialise_reason text)
AS 'MODULE_PATHNAME', 'trails_explain_intermediate' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 2;
COMMENT ON FUNCTION trails.explain_intermediate IS
'what get_intermediate would do for each group of at most 256 columns, and why: the times expected of reading and of running the model, as far as they differ, queries counted so far and what this one adds, gamma (seconds saved a GB kept), and whether it would store the group, and why; reads and counts nothing';

CREATE FUNCTION trails.value_at(
    model text, layer text, "column" integer, row_id bigint,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS real
AS 'MODULE_PATHNAME', 'trails_value_at' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.value_at(text, text, integer, bigint, integer, boolean, text, integer) IS
'one value of a layer; NULL where there is none (loss of a row without a label, NULL in a stage), NaN where it was computed as NaN';
CREATE FUNCTION trails.value_at(
    model text, layer text, "column" text, row_id bigint,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS real
AS 'MODULE_PATHNAME', 'trails_value_at' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.value_at(text, text, text, bigint, integer, boolean, text, integer) IS
'the same of the column of that name, as intermediate_columns has it, or of that number where no column is called so';

CREATE FUNCTION trails.topk(
    model text, layer text, "column" integer, k integer DEFAULT 10, epoch integer DEFAULT NULL,
    version integer DEFAULT NULL)
RETURNS TABLE (rank integer, row_id bigint, value real)
AS 'MODULE_PATHNAME', 'trails_topk' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.topk(text, text, integer, integer, integer, integer) IS
'the k rows (at most 100,000) with the largest values of a column, exact whatever the scheme; of equal values the first row first, NaN left out';
CREATE FUNCTION trails.topk(
    model text, layer text, "column" text, k integer DEFAULT 10, epoch integer DEFAULT NULL,
    version integer DEFAULT NULL)
RETURNS TABLE (rank integer, row_id bigint, value real)
AS 'MODULE_PATHNAME', 'trails_topk' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.topk(text, text, text, integer, integer, integer) IS
'the same of the column of that name, as intermediate_columns has it, or of that number where no column is called so';

CREATE FUNCTION trails.column_statistics(
    model text, layer text, columns integer[] DEFAULT NULL, epoch integer DEFAULT NULL,
    version integer DEFAULT NULL)
RETURNS TABLE ("column" integer, rows bigint, nulls bigint, infinite bigint, zeros bigint,
               zero_share double precision, min real, max real, mean double precision,
               deviation double precision, name text)
AS 'MODULE_PATHNAME', 'trails_column_statistics' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 128;
COMMENT ON FUNCTION trails.column_statistics IS
'statistics of the columns of a layer, of the exact values whatever its scheme: rows, how many of them are NaN (NULL in a stage, without a label in a loss), infinite, or zero; and of the finite values the share of zeros, min, max, mean, and standard deviation divided by their number';

CREATE FUNCTION trails.column_distribution(
    model text, layer text, "column" integer, bins integer DEFAULT 20,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (bin integer, lower double precision, upper double precision, rows bigint)
AS 'MODULE_PATHNAME', 'trails_column_distribution' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION trails.column_distribution(text, text, integer, integer, integer, boolean, text, integer) IS
'histogram of a column: bins (at most 10,000) of equal width from its least to its largest exact value, which is in the last bin; a last row without a bin counts NaN and infinities where there are any';
CREATE FUNCTION trails.column_distribution(
    model text, layer text, "column" text, bins integer DEFAULT 20,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (bin integer, lower double precision, upper double precision, rows bigint)
AS 'MODULE_PATHNAME', 'trails_column_distribution' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION trails.column_distribution(text, text, text, integer, integer, boolean, text, integer) IS
'the same of the column of that name, as intermediate_columns has it, or of that number where no column is called so';

CREATE FUNCTION trails.confusion(
    model text, epoch integer DEFAULT NULL, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL, split text DEFAULT NULL)
RETURNS TABLE (actual text, predicted text, rows bigint)
AS 'MODULE_PATHNAME', 'trails_confusion' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.confusion IS
'counts of the logged rows by their class and the class predicted, where there are any, from exact predictions whatever their scheme; actual is NULL for rows without a class that the model knows; split: of the rows in that part of the model''s split alone, train, valid, test or none';

CREATE FUNCTION trails.column_diff(
    model_a text, layer_a text, column_a integer, model_b text, layer_b text, column_b integer,
    by text DEFAULT NULL, epoch_a integer DEFAULT NULL, epoch_b integer DEFAULT NULL,
    exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version_a integer DEFAULT NULL, version_b integer DEFAULT NULL)
RETURNS TABLE (class text, rows bigint, mean_a double precision, mean_b double precision,
               mean_diff double precision, mean_abs_diff double precision)
AS 'MODULE_PATHNAME', 'trails_column_diff' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.column_diff(text, text, integer, text, text, integer, text, integer, integer, boolean, text, integer, integer) IS
'how two columns differ, row by row: of one model, or of two, or two versions of one, over rows that both see alike or that have equal keys, and over no others; by: the target, or a categorical feature of the first';
CREATE FUNCTION trails.column_diff(
    model_a text, layer_a text, column_a text, model_b text, layer_b text, column_b text,
    by text DEFAULT NULL, epoch_a integer DEFAULT NULL, epoch_b integer DEFAULT NULL,
    exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version_a integer DEFAULT NULL, version_b integer DEFAULT NULL)
RETURNS TABLE (class text, rows bigint, mean_a double precision, mean_b double precision,
               mean_diff double precision, mean_abs_diff double precision)
AS 'MODULE_PATHNAME', 'trails_column_diff' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.column_diff(text, text, text, text, text, text, text, integer, integer, boolean, text, integer, integer) IS
'the same of the columns of those names, as intermediate_columns has them, or of that number where no column is called so';

CREATE FUNCTION trails.knn(
    model text, layer text, row_id bigint, k integer DEFAULT 10, metric text DEFAULT 'l2',
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (rank integer, neighbour bigint, distance double precision)
AS 'MODULE_PATHNAME', 'trails_knn' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.knn IS
'the k rows (at most 100,000) nearest to a row in a layer, itself left out, exact; metric: l2, l1 or cosine; of equal distances the first row first';

CREATE FUNCTION trails.row_diff(
    model text, layer text, row_a bigint, row_b bigint,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE ("column" integer, value_a real, value_b real, difference real, name text)
AS 'MODULE_PATHNAME', 'trails_row_diff' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 128;
COMMENT ON FUNCTION trails.row_diff IS 'two rows of a layer, column by column; difference: a - b; NULL where there is no value';

CREATE FUNCTION trails.class_means(
    model text, layer text, by text DEFAULT 'target',
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE ("column" integer, class text, rows bigint, mean double precision,
               deviation double precision, name text)
AS 'MODULE_PATHNAME', 'trails_class_means' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000;
COMMENT ON FUNCTION trails.class_means IS
'mean and standard deviation (divided by the number of rows) of each column of a layer within each class of the target, or of a categorical feature';

CREATE FUNCTION trails.svcca(
    model_a text, layer_a text, model_b text, layer_b text,
    epoch_a integer DEFAULT NULL, epoch_b integer DEFAULT NULL,
    variance double precision DEFAULT 0.99,
    exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version_a integer DEFAULT NULL, version_b integer DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'trails_svcca' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.svcca IS
'how alike two layers are, 0 to 1: mean canonical correlation of the directions that hold that share of each layer''s variance; NULL where one is constant; of together at most 4,096 columns';

CREATE FUNCTION trails.cka(
    model_a text, layer_a text, model_b text, layer_b text,
    epoch_a integer DEFAULT NULL, epoch_b integer DEFAULT NULL,
    exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version_a integer DEFAULT NULL, version_b integer DEFAULT NULL)
RETURNS double precision
AS 'MODULE_PATHNAME', 'trails_cka' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION trails.cka IS
'how alike two layers are, 0 to 1: linear centred kernel alignment; NULL where one is constant; of together at most 4,096 columns';

CREATE FUNCTION trails.correlation(
    model text, layer text, against text DEFAULT 'target', class text DEFAULT NULL,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE ("column" integer, correlation double precision, name text)
AS 'MODULE_PATHNAME', 'trails_correlation' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 128;
COMMENT ON FUNCTION trails.correlation IS
'Pearson''s correlation of each column of a layer with the target (of two classes 0 and 1), the loss, the prediction (of two classes the probability of the second), or a feature that is a number; with a class with 1 in its rows and 0 in those of others (NULL left out), against being the target or a categorical feature; NULL for constant columns';

CREATE FUNCTION trails.netdissect(
    model text, layer text, by text, class text, alpha double precision DEFAULT 0.005,
    epoch integer DEFAULT NULL, exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE ("column" integer, threshold double precision, active bigint, overlap bigint,
               iou double precision, name text)
AS 'MODULE_PATHNAME', 'trails_netdissect' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 128;
COMMENT ON FUNCTION trails.netdissect IS
'how well each column of a layer tells the rows of a class, of the target or of a categorical feature: rows where it is active (at or above its quantile 1 - alpha; above it where that is its least value), those of them in the class, and their intersection over union, which is at most alpha over the share of rows that the class has, or the inverse where that is less';

CREATE FUNCTION trails.epoch_diff(
    model text, epoch_a integer, epoch_b integer,
    exact boolean DEFAULT false, strategy text DEFAULT 'auto',
    version integer DEFAULT NULL)
RETURNS TABLE (layer text, parameters bigint, l2 double precision, relative_l2 double precision,
               cosine double precision, cka double precision, changed double precision)
AS 'MODULE_PATHNAME', 'trails_epoch_diff' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION trails.epoch_diff IS
'what changed between two logged epochs (0 is the model that was kept), layer by layer: how far its parameters moved, how alike its values are (over at most 8,192 rows), and for the prediction the share of rows whose class, or number, is another, by exact predictions whatever their scheme';

CREATE FUNCTION trails.model_rules(
    model text, epoch integer DEFAULT NULL, version integer DEFAULT NULL)
RETURNS TABLE (rule text, layer text, columns bigint, detail text)
AS 'MODULE_PATHNAME', 'trails_model_rules' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION trails.model_rules IS
'what tells a sick network: dead, nearly dead, saturated or repeated units, values that are not finite, a constant prediction, a class never predicted, a loss that does not fall; no row for a sound one';
