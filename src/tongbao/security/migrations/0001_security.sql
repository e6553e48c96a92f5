-- The keys of people: each person's data is encrypted under a key of their own, which is here wrapped by the keys of the classes.

create table person_key (
    person_id   uuid        not null,
    c2_version  bigint      not null,
    c3_version  bigint      not null,
    wrapped     bytea       not null,
    shredded_at timestamptz,
    seal        bytea       not null,
    constraint person_key_pk primary key (person_id),
    constraint person_key_shredded check ((shredded_at is not null) = (wrapped = ''))
);
-- Whose keys are wrapped by which version, for the rounds that wrap them anew.
create index person_key_by_version on person_key (c2_version, c3_version) where shredded_at is null;

-- Which class each column is of (JR/T 0171-2020): what authenticates (C3), what identifies somebody or tells of their finances (C2),
-- what is internal (C1), what is not personal (none). Sealed: encrypted under the person's own key.
comment on table person_key is
    'C3: wrapped; C1: person_id; none: shredded_at, seal, c2_version, c3_version';
